#!/usr/bin/env bash
# After stage.sh: a plain archive that runs from wherever it is unpacked, with a script that puts it
# into a home folder and takes it out again. A zip for Windows, else a tarball.
#   archive.sh NAME               target/packaging/NAME.tar.gz or NAME.zip
set -euo pipefail
name=$1
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/target/packaging
folder=$out/$name

rm -rf "$folder"
mkdir -p "$folder"
cp "$here/../../README.md" "$here"/../../LICENSE-* "$folder/"
gunzip -c "$out/staged/share/doc/tuning-fork/third-party-licences.txt.gz" >"$folder/THIRD-PARTY-LICENCES.txt"
if [ -e "$out/bin/tuning-fork.exe" ]; then
  cp "$out/bin/tuning-fork.exe" "$folder/"
  (cd "$out" && 7z a -tzip -bso0 "$name.zip" "$name")
else
  mkdir "$folder/bin"
  cp "$out/bin/tuning-fork" "$folder/bin/"
  cp -r "$out/staged/share" "$folder/"
  install -m 755 "$here/install.sh" "$folder/install.sh"
  # The same bytes whenever and by whomever it is made.
  (cd "$out" && tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$name" | gzip -9n >"$name.tar.gz")
fi
rm -rf "$folder"
