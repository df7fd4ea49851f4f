#!/bin/sh
# Puts Tuning Fork into your home folder, with its entry in the menu:  ./install.sh
# Takes it out again:                                                  ./install.sh --remove
# Another place than ~/.local:                                         PREFIX=/opt/tuning-fork ./install.sh
# Models, projects and settings are yours: neither touches them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-$HOME/.local}
share=$prefix/share

has() { command -v "$1" >/dev/null; }

# The system's tools list what lies in these folders.
refresh() {
  if [ -d "$share/applications" ] && has update-desktop-database; then update-desktop-database -q "$share/applications" || true; fi
  # It wants its folder, even when the last description has gone from it.
  if [ -d "$share/mime" ]; then mkdir -p "$share/mime/packages"; fi
  if [ -d "$share/mime" ] && has update-mime-database; then update-mime-database "$share/mime" || true; fi
  if [ -d "$share/icons/hicolor" ] && has gtk-update-icon-cache; then gtk-update-icon-cache -qtf "$share/icons/hicolor" || true; fi
}

# Their lists of nothing go, too: where no other program has anything in a folder.
forget_lists() {
  holds() { [ -n "$(find "$share/$1" -type f ! -name "$2" 2>/dev/null | head -n 1)" ]; }
  holds applications mimeinfo.cache || rm -f "$share/applications/mimeinfo.cache"
  holds icons/hicolor icon-theme.cache || rm -f "$share/icons/hicolor/icon-theme.cache"
  if ! holds mime/packages ""; then
    for list in XMLnamespaces aliases generic-icons globs globs2 icons magic mime.cache subclasses treemagic types version; do
      rm -f "$share/mime/$list"
    done
  fi
  for folder in applications mime icons; do
    if [ -d "$share/$folder" ]; then find "$share/$folder" -depth -type d -empty -delete; fi
  done
}

list() { (cd "$here" && find bin share -type f); }

if [ "${1:-}" = --remove ]; then
  list | while read -r file; do
    rm -f "$prefix/$file"
    # Folders that held nothing else go, too.
    (cd "$prefix" && rmdir -p "$(dirname "$file")" 2>/dev/null) || true
  done
  refresh
  forget_lists
  echo "Tuning Fork was removed from $prefix"
  exit 0
fi

# 62: x86-64, 183: ARM64, in the head of the program's file.
case $(od -An -tu1 -j18 -N1 "$here/bin/tuning-fork" | tr -d ' ')/$(uname -m) in
  62/x86_64 | 183/aarch64) ;;
  *)
    echo "This package is for another processor: take the one for $(uname -m)" >&2
    exit 1
    ;;
esac
if ! reason=$("$here/bin/tuning-fork" --version 2>&1 >/dev/null); then
  case $reason in
    *GLIBC_*) echo "Tuning Fork needs glibc 2.35 or newer, and this system has $(getconf GNU_LIBC_VERSION): use it on Debian 12, Ubuntu 22.04, Fedora 36 or newer, or build it from its source here" ;;
    *) echo "The program does not start here: $reason" ;;
  esac >&2
  exit 1
fi
list | while read -r file; do
  mkdir -p "$prefix/$(dirname "$file")"
  cp "$here/$file" "$prefix/$file"
done
chmod 755 "$prefix/bin/tuning-fork"
# A menu does not know what a shell has in its PATH.
desktop=$share/applications/tuning-fork.desktop
sed -i.old "s|^Exec=tuning-fork|Exec=\"$prefix/bin/tuning-fork\"|; s|^TryExec=.*|TryExec=$prefix/bin/tuning-fork|" "$desktop"
rm -f "$desktop.old"
refresh
echo "Tuning Fork is in $prefix/bin, and in the menu. Take it out with: ./install.sh --remove"
