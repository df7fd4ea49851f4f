#!/bin/sh
# Puts Tuning Fork into your home folder, with its entry in the menu:  ./install.sh
# Takes it out again:                                                  ./install.sh --remove
# Another place than ~/.local:                                         PREFIX=/opt/tuning-fork ./install.sh
# Models, projects and settings are yours: neither touches them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-$HOME/.local}

refresh() {
  mkdir -p "$prefix/share/mime/packages" "$prefix/share/applications" "$prefix/share/icons/hicolor"
  command -v update-desktop-database >/dev/null && update-desktop-database -q "$prefix/share/applications" || true
  command -v update-mime-database >/dev/null && update-mime-database "$prefix/share/mime" || true
  command -v gtk-update-icon-cache >/dev/null && gtk-update-icon-cache -qtf "$prefix/share/icons/hicolor" || true
}

list() { (cd "$here" && find bin share -type f); }

if [ "${1:-}" = --remove ]; then
  list | while read -r file; do
    rm -f "$prefix/$file"
    # Folders that held nothing else go, too.
    (cd "$prefix" && rmdir -p "$(dirname "$file")" 2>/dev/null) || true
  done
  refresh
  echo "Tuning Fork was removed from $prefix"
  exit 0
fi

machine=$(uname -m)
if ! "$here/bin/tuning-fork" --version >/dev/null 2>&1; then
  echo "This program does not start here: it is for another processor or a newer system (this is $machine, $(uname -s))." >&2
  "$here/bin/tuning-fork" --version >&2 || true
  echo "Take the package for $machine. If it is the right one, the C library of this system is too old: it needs glibc 2.35 (Debian 12, Ubuntu 22.04 or newer)." >&2
  exit 1
fi
list | while read -r file; do
  mkdir -p "$prefix/$(dirname "$file")"
  cp "$here/$file" "$prefix/$file"
done
chmod 755 "$prefix/bin/tuning-fork"
# A menu does not know what a shell has in its PATH.
desktop=$prefix/share/applications/tuning-fork.desktop
sed -i.old "s|^Exec=tuning-fork|Exec=\"$prefix/bin/tuning-fork\"|; s|^TryExec=.*|TryExec=$prefix/bin/tuning-fork|" "$desktop"
rm -f "$desktop.old"
refresh
echo "Tuning Fork is in $prefix/bin, and in the menu. Take it out with: ./install.sh --remove"
