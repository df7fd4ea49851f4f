#!/usr/bin/env bash
# After stage.sh: an AppImage, which is one file that runs as it is. Its beginning is a program of ours
# (assets/packaging/appimage), built here, without libraries, so that it starts on every Linux;
# the rest is a squashfs image, packed with gzip, which every tool for AppImages reads.
#   appimage.sh NAME [TARGET]     target/packaging/NAME.AppImage
# Needs mksquashfs (Debian: squashfs-tools). BEGINNING=FILE takes a beginning that is there.
set -euo pipefail
name=$1
target=${2:-$(rustc -vV | sed -n 's/^host: //p')}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/target/packaging
app=$out/AppDir

if [ -z "${BEGINNING:-}" ]; then
  RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile appimage --target "$target" \
    --manifest-path "$root/Cargo.toml" -p tuning-fork-appimage
  BEGINNING=${CARGO_TARGET_DIR:-$root/target}/$target/appimage/tuning-fork-appimage
fi

rm -rf "$app" "$out/$name.AppImage"
mkdir -p "$app/usr/bin"
cp "$out/bin/tuning-fork" "$app/usr/bin/"
cp -r "$out/staged/share" "$app/usr/"
# What the format asks for in the outermost folder.
ln -s usr/bin/tuning-fork "$app/AppRun"
cp "$here/tuning-fork.desktop" "$app/"
cp "$here/icons/256.png" "$app/tuning-fork.png"
ln -s tuning-fork.png "$app/.DirIcon"
# Tools look for it under this name, too.
ln -s org.example.tuning_fork.metainfo.xml "$app/usr/share/metainfo/org.example.tuning_fork.appdata.xml"

# The same bytes whenever and by whomever it is made.
mksquashfs "$app" "$out/image.squashfs" -noappend -quiet -no-progress -comp gzip -b 128K \
  -all-root -mkfs-time 0 -all-time 0 -no-xattrs >/dev/null

cp "$BEGINNING" "$out/beginning"
strip --strip-all "$out/beginning"
# By these three bytes at place 8 a file is known as an AppImage of type 2.
printf 'AI\002' | dd of="$out/beginning" bs=1 seek=8 conv=notrunc status=none
cat "$out/beginning" "$out/image.squashfs" >"$out/$name.AppImage"
chmod 755 "$out/$name.AppImage"

# The image begins where the file says that it does.
offset=$("$out/$name.AppImage" --appimage-offset)
[ "$offset" = "$(stat -c %s "$out/beginning")" ] || { echo "The AppImage looks for its image at byte $offset" >&2; exit 1; }
rm -rf "$app" "$out/image.squashfs" "$out/beginning"
echo "$out/$name.AppImage"
