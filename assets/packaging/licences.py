#!/usr/bin/env python3
"""What the program is made of: the licences of its crates, their texts, and a bill of materials.

  licences.py list                 writes assets/licences.tsv, which About shows (a test holds it)
  licences.py texts FILE           writes the licence texts of what is shipped, each text once
  licences.py sbom FILE            writes a CycloneDX 1.5 bill of materials
  --target TRIPLE                  texts, sbom: of this system alone (without it: of all systems)

Everything comes from `cargo metadata` and the crates' own files; nothing is fetched but by cargo.
"""

import argparse
import hashlib
import json
import re
import subprocess
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IS_LICENCE = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense|ofl|ufl)|-licen[cs]e", re.I)
# The terms of fonts that lie beside the fonts under the fonts' own names.
OF_FONTS = {"epaint_default_fonts": "fonts/*.txt"}


def metadata(target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    if target:
        command += ["--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def shipped(found):
    """The packages that end up in the program: no tests, no build scripts."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = found["resolve"]["root"]
    reached, waiting = set(), [root]
    while waiting:
        here = waiting.pop()
        for dependency in nodes[here]["deps"]:
            is_shipped = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_shipped and dependency["pkg"] not in reached:
                reached.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    packages = [package for package in found["packages"] if package["id"] in reached]
    # What only runs inside the compiler is not shipped either.
    packages = [p for p in packages if not any("proc-macro" in t["kind"] for t in p["targets"])]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def of_others(packages):
    """Without this repository's own crates, which come from no registry."""
    return [package for package in packages if package["source"]]


def licence(package):
    """As SPDX writes it; `MIT/Apache-2.0` is how it was written once."""
    written = package["license"] or "see its licence file"
    return re.sub(r"\s*/\s*", " OR ", written)


def write_list():
    packages = of_others(metadata(None)["packages"])
    packages.sort(key=lambda package: (package["name"], package["version"]))
    lines = [f"{p['name']}\t{p['version']}\t{licence(p)}\n" for p in packages]
    (ROOT / "assets/licences.tsv").write_text("".join(lines))
    print(f"{len(lines)} crates in assets/licences.tsv")


def licence_files(package):
    folder = Path(package["manifest_path"]).parent
    files = {path for path in folder.iterdir() if path.is_file() and IS_LICENCE.search(path.name)}
    if pattern := OF_FONTS.get(package["name"]):
        files.update(folder.glob(pattern))
    if package["license_file"]:
        files.add(folder / package["license_file"])
    return sorted(path for path in files if path.is_file())


def write_texts(path, target):
    packages = of_others(shipped(metadata(target)))
    texts, silent = {}, []
    for package in packages:
        name = f"{package['name']} {package['version']} ({licence(package)})"
        files = licence_files(package)
        if not files:
            silent.append(name)
        for file in files:
            text = file.read_text(errors="replace").strip()
            key = hashlib.sha256(" ".join(text.split()).encode()).digest()
            texts.setdefault(key, (text, []))[1].append(name)
    rule = "=" * 78
    parts = [
        "What Tuning Fork is made of, and under which terms.\n"
        f"{len(packages)} crates of other authors are part of this program. Each text stands once,\n"
        "under the names of the crates that it came with."
    ]
    for text, names in sorted(texts.values(), key=lambda entry: entry[1][0]):
        parts.append(f"{rule}\n" + "\n".join(dict.fromkeys(names)) + f"\n{rule}\n\n{text}")
    if silent:
        parts.append(
            f"{rule}\nThese crates name their licence and bring no text of their own; the texts of\n"
            "these licences stand above.\n" + "\n".join(silent)
        )
    path.write_text("\n\n".join(parts) + "\n")
    print(f"{len(packages)} crates, {len(texts)} texts, {len(silent)} without one: {path}")


def write_sbom(path, target):
    found = metadata(target)
    root = found["resolve"]["root"]
    program = next(package for package in found["packages"] if package["id"] == root)
    with open(ROOT / "Cargo.lock", "rb") as file:
        locked = tomllib.load(file)["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked}
    packages = shipped(found)
    references = {p["id"]: f"pkg:cargo/{p['name']}@{p['version']}" for p in [program, *packages]}

    def component(package, kind):
        reference = references[package["id"]]
        entry = {
            "type": kind,
            "bom-ref": reference,
            "name": package["name"],
            "version": package["version"],
            "purl": reference,
            "licenses": [{"expression": licence(package)}],
        }
        checksum = checksums.get((package["name"], package["version"]))
        if checksum:
            entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return entry

    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    dependencies = [
        {
            "ref": references[package],
            "dependsOn": sorted(
                {references[d["pkg"]] for d in nodes[package]["deps"] if d["pkg"] in references}
            ),
        }
        for package in references
    ]
    components = [component(package, "library") for package in packages]
    content = json.dumps(components, sort_keys=True)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Of the content: the same program has the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {"component": component(program, "application")},
        "components": components,
        "dependencies": dependencies,
    }
    path.write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{len(components)} components: {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["list", "texts", "sbom"])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--target")
    arguments = parser.parse_args()
    if arguments.what == "list":
        write_list()
    elif arguments.file is None:
        parser.error(f"{arguments.what} needs the file that is written")
    elif arguments.what == "texts":
        write_texts(arguments.file, arguments.target)
    else:
        write_sbom(arguments.file, arguments.target)


main()
