#!/usr/bin/env bash
# Lays out what stands beside the program in a package: desktop file, icon, types of files, man pages,
# completions and licences, under target/packaging/staged/share; the program itself, without its
# symbols, under target/packaging/bin.
#   stage.sh BINARY [TARGET]      TARGET: the system that it was built for; default this one
set -euo pipefail
binary=$(realpath "$1")
target=${2:-$(rustc -vV | sed -n 's/^host: //p')}
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/target/packaging
share=$out/staged/share
doc=$share/doc/tuning-fork

rm -rf "${out:?}/staged" "${out:?}/bin"
mkdir -p "$out/bin" "$doc" "$share"/{man/man1,metainfo,mime/packages,applications} \
  "$share"/bash-completion/completions "$share"/zsh/vendor-completions "$share"/fish/vendor_completions.d

case $target in *windows*) program=$out/bin/tuning-fork.exe ;; *) program=$out/bin/tuning-fork ;; esac
install -m 755 "$binary" "$program"
case $target in
  *linux*) strip --strip-unneeded --remove-section=.comment --remove-section=.note "$program" ;;
  *darwin*) strip -x "$program" ;;
esac

# A program asks for the C library's newest version that any of its calls came with: what the
# description says of it must be so, or the package would install where it does not start.
case $target in
  *linux-gnu)
    needed=$(readelf -V "$program" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | sed 's/GLIBC_//')
    said=$(sed -n 's/.*libc6 (>= \([0-9.]*\)).*/\1/p' "$here/packager.toml")
    if [ "$(printf '%s\n' "$needed" "$said" | sort -V | tail -1)" != "$said" ]; then
      echo "The program needs glibc $needed and packager.toml says $said: build on an older system, or change packager.toml and install.sh" >&2
      exit 1
    fi
    ;;
esac

"$program" man "$share/man/man1" >/dev/null
"$program" completions bash >"$share/bash-completion/completions/tuning-fork"
"$program" completions zsh >"$share/zsh/vendor-completions/_tuning-fork"
"$program" completions fish >"$share/fish/vendor_completions.d/tuning-fork.fish"

install -m 644 "$here/tuning-fork.desktop" "$share/applications/"
install -m 644 "$here/org.example.tuning_fork.metainfo.xml" "$share/metainfo/"
install -m 644 "$here/tuning-fork-mime.xml" "$share/mime/packages/tuning-fork.xml"
mkdir -p "$share/icons/hicolor/scalable/apps"
cp "$here/../icon.svg" "$share/icons/hicolor/scalable/apps/tuning-fork.svg"
for icon in "$here"/icons/*.png; do
  size=$(basename "$icon" .png)
  mkdir -p "$share/icons/hicolor/${size}x$size/apps"
  cp "$icon" "$share/icons/hicolor/${size}x$size/apps/tuning-fork.png"
done

install -m 644 "$here/debian/copyright" "$doc/copyright"
install -m 644 "$here/../CITATION.cff" "$doc/CITATION.cff"
install -m 644 "$here/debian/changelog" "$doc/changelog"
python3 "$here/licences.py" texts "$doc/third-party-licences.txt" --target "$target"
# `-n`: without the time, so that the same program gives the same package.
gzip -9n "$share"/man/man1/*.1 "$doc/changelog" "$doc/third-party-licences.txt"
find "$out/staged" -type f -exec chmod 644 {} +
find "$out/staged" -type d -exec chmod 755 {} +
