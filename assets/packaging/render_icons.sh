#!/usr/bin/env bash
# Makes every size of the icon from assets/icon.svg. Run it after a change to the drawing, and commit
# what it writes; tests/architecture.rs holds the sizes.
# Needs rsvg-convert, icotool and png2icns (Debian: librsvg2-bin icoutils icnsutils).
set -euo pipefail
cd "$(dirname "$0")"

sizes=(16 22 24 32 48 64 128 256 512)
mkdir -p icons
for size in "${sizes[@]}"; do
  rsvg-convert --width "$size" --height "$size" --output "icons/$size.png" ../icon.svg
done
rsvg-convert --width 1024 --height 1024 --output icons/1024.png ../icon.svg
cp icons/256.png ../icon.png # the one inside the program

icotool --create --output icons/tuning-fork.ico \
  icons/16.png icons/24.png icons/32.png icons/48.png icons/64.png --raw=icons/256.png
png2icns icons/tuning-fork.icns \
  icons/16.png icons/32.png icons/48.png icons/128.png icons/256.png icons/512.png icons/1024.png >/dev/null
rm icons/1024.png
