"""What tests/hub/python.rs asks Python's huggingface_hub to do with a shared cache.

The environment says where the Hub and the cache are. Each task prints what was found.
"""

import hashlib
import os
import sys
import time

task, *arguments = sys.argv[1:]
if task.startswith("offline"):
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the module is imported

import huggingface_hub
from huggingface_hub import constants


def files_of(repo, names, **how):
    for name in names:
        print(huggingface_hub.hf_hub_download(repo, name, **how))


if task == "offline-files":
    files_of(arguments[0], arguments[1:], local_files_only=True)
elif task == "online-files":
    files_of(arguments[0], arguments[1:])
elif task == "offline-snapshot":
    print(huggingface_hub.snapshot_download(arguments[0], local_files_only=True))
elif task == "online-snapshot":
    print(huggingface_hub.snapshot_download(arguments[0]))
elif task == "offline-absent":
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    for name in arguments[1:]:
        found = try_to_load_from_cache(arguments[0], name)
        assert found is _CACHED_NO_EXIST, f"{name}: {found}"
elif task == "scan":
    report = huggingface_hub.scan_cache_dir()
    assert not report.warnings, report.warnings
    for repo in report.repos:
        files = sum(len(revision.files) for revision in repo.revisions)
        print(f"{repo.repo_type} {repo.repo_id} {len(repo.revisions)} revision {files} files")
elif task == "fetch-under-lock":
    # The lock that huggingface_hub takes for a blob, held for a while around a real download.
    from filelock import FileLock
    import shutil
    import tempfile

    repo, name, digits, marker = arguments
    folder = "models--" + repo.replace("/", "--")
    locks = os.path.join(constants.HF_HUB_CACHE, ".locks", folder)
    os.makedirs(locks, exist_ok=True)
    with FileLock(os.path.join(locks, digits + ".lock")):
        open(marker, "w").close()
        time.sleep(1.0)
        with tempfile.TemporaryDirectory() as elsewhere:
            path = huggingface_hub.hf_hub_download(repo, name, cache_dir=elsewhere)
            with open(path, "rb") as file:
                assert hashlib.sha256(file.read()).hexdigest() == digits
            blobs = os.path.join(constants.HF_HUB_CACHE, folder, "blobs")
            os.makedirs(blobs, exist_ok=True)
            shutil.copyfile(os.path.realpath(path), os.path.join(blobs, digits + ".incomplete"))
            os.replace(
                os.path.join(blobs, digits + ".incomplete"), os.path.join(blobs, digits)
            )
else:
    sys.exit(f"no such task: {task}")
