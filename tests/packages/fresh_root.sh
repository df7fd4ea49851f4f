#!/usr/bin/env bash
# The packages in a fresh Debian: each is put in, started from its desktop file by somebody without
# rights in a window under Xvfb, looked at, taken out, and nothing is left but the person's own folders.
#   sudo fresh_root.sh ROOT SHOTS DEB TARBALL APPIMAGE
# ROOT: a folder for the Debian (made by debootstrap, and used again); SHOTS: where screenshots go.
# Needs root, debootstrap and the network. Not part of .ci/run: it makes a whole system.
set -euo pipefail
root=$1 shots=$2 deb=$(realpath "$3") tarball=$(realpath "$4") appimage=$(realpath "$5")
person=lecturer
mkdir -p "$shots"

step() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# As the person, with a screen.
as_person() {
  chroot --userspec="$person:$person" "$root" /usr/bin/env -i PATH=/usr/bin:/bin LANG=C.UTF-8 \
    HOME="/home/$person" USER="$person" DISPLAY=:1 LIBGL_ALWAYS_SOFTWARE=1 "$@"
}

if [ ! -e "$root/etc/debian_version" ]; then
  step "a fresh Debian"
  debootstrap --variant=minbase "${SUITE:-bookworm}" "$root"
fi
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mkdir -p "$root/dev/shm"
mountpoint -q "$root/dev/shm" || mount -t tmpfs tmpfs "$root/dev/shm"
trap 'kill $(jobs -p) 2>/dev/null || true; umount "$root/dev/shm" "$root/proc" || true' EXIT
if ! inside which Xvfb openbox wmctrl import gio pgrep >/dev/null; then
  # A screen, windows on it, and what looks at them: what a desktop has and a fresh root lacks.
  inside apt-get update -qq
  inside apt-get install -y -qq --no-install-recommends \
    xvfb xdotool openbox wmctrl imagemagick libglib2.0-bin desktop-file-utils procps >/dev/null
fi
# Of an earlier try that failed.
inside apt-get purge -y -qq --autoremove tuning-fork >/dev/null 2>&1 || true
inside id "$person" >/dev/null 2>&1 || inside useradd --create-home --shell /bin/bash "$person"
inside Xvfb :1 -screen 0 1280x800x24 -nolisten tcp >/dev/null 2>&1 &
sleep 2
as_person openbox >/dev/null 2>&1 &

# All files but what the package manager and the kernel keep for themselves.
files() {
  inside find / -xdev \( -path /proc -o -path /dev -o -path /tmp -o -path /var/lib/dpkg -o -path /var/lib/apt \
    -o -path /var/cache -o -path /var/log -o -path "/home/$person" \) -prune -o -print | sort
}
own_files() { inside find "/home/$person" -mindepth 1 | sort; }

# Starts a desktop file, goes round the panels, and closes the window as a person does.
walk() {
  local name=$1 desktop=$2 window
  as_person gio launch "$desktop" >"$shots/$name.log" 2>&1 &
  for _ in $(seq 300); do
    window=$(as_person xdotool search --onlyvisible --class tuning-fork 2>/dev/null | tail -1 || true)
    [ -n "$window" ] && break
    sleep 0.1
  done
  [ -n "$window" ] || { cat "$shots/$name.log"; fail "$name: no window"; }
  as_person xdotool windowmove "$window" 0 0 windowsize "$window" 1280 780 windowfocus "$window"
  sleep 3
  for panel in 1 2 3 4 5 6 7; do
    as_person xdotool key --window "$window" "ctrl+$panel"
    sleep 1.5
    as_person import -window root png:- >"$shots/$name-$panel.png"
  done
  as_person wmctrl -i -c "$window"
  for _ in $(seq 100); do
    inside pgrep -u "$person" -f tuning-fork >/dev/null || return 0
    sleep 0.1
  done
  fail "$name: still running after its window was closed"
}

step "the .deb"
inside apt-get update -qq
files >"$shots/before"
cp "$deb" "$root/tmp/package.deb"
inside apt-get install -y -qq /tmp/package.deb >"$shots/install.log" 2>&1 || { cat "$shots/install.log"; fail "apt install"; }
inside desktop-file-validate /usr/share/applications/tuning-fork.desktop
as_person tuning-fork --version
as_person man -w tuning-fork 2>/dev/null || ls "$root"/usr/share/man/man1/tuning-fork.1.gz >/dev/null
walk deb /usr/share/applications/tuning-fork.desktop
inside apt-get purge -y -qq --autoremove tuning-fork >"$shots/remove.log" 2>&1
files >"$shots/after"
diff "$shots/before" "$shots/after" >"$shots/left" || true
grep '^>' "$shots/left" | grep -i -E 'tuning|org\.example' && fail "the .deb left something"
echo "left beside it by the system's own packages: $(grep -c '^>' "$shots/left" || true) paths"

step "the tarball"
# It needs what a desktop has: OpenGL and a keyboard's map.
dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' |
  inside xargs apt-get install -y -qq --no-install-recommends >/dev/null 2>&1
own_files >"$shots/own-before"
files >"$shots/before"
inside rm -rf /tmp/unpacked
as_person mkdir /tmp/unpacked
as_person tar -xzf - -C /tmp/unpacked --strip-components 1 <"$tarball"
as_person /tmp/unpacked/install.sh
desktop-file-validate "$root/home/$person/.local/share/applications/tuning-fork.desktop"
walk tarball "/home/$person/.local/share/applications/tuning-fork.desktop"
as_person /tmp/unpacked/install.sh --remove
own_files >"$shots/own-after"
files >"$shots/after"
diff "$shots/before" "$shots/after" || fail "the tarball left something outside of the home folder"
echo "in the home folder afterwards, and not before:"
diff "$shots/own-before" "$shots/own-after" | grep '^>' || echo "nothing"
# What the person made stays; what belongs to the program goes.
grep -E '\.local/(bin|share/(applications|icons|man|metainfo|doc|bash|zsh|fish))' "$shots/own-after" && fail "the tarball left something"

step "the AppImage"
cp "$appimage" "$root/home/$person/Tuning-Fork.AppImage"
inside chown "$person" "/home/$person/Tuning-Fork.AppImage"
inside chmod 755 "/home/$person/Tuning-Fork.AppImage"
as_person sh -c "cat >/home/$person/app.desktop" <<EOF
[Desktop Entry]
Type=Application
Name=Tuning Fork
Exec=/home/$person/Tuning-Fork.AppImage %f
EOF
own_files >"$shots/own-before"
walk appimage "/home/$person/app.desktop"
inside rm "/home/$person/Tuning-Fork.AppImage" "/home/$person/app.desktop"
files >"$shots/after"
diff "$shots/before" "$shots/after" || fail "the AppImage left something"
inside find /tmp /dev/shm -user "$person" -newer /home/$person/.profile | grep -v /tmp/unpacked || true
printf '\nAll three: put in, started, taken out.\n'
