#!/usr/bin/env bash
# The tests of the kernels on processors that are not here.
#
#   tests/kernels/emulated.sh arm            NEON, with and without dot products, in qemu
#   tests/kernels/emulated.sh avx512 [FILE]  AVX-512 with VNNI, in Bochs: a Linux that starts the tests
#                                            (or the test program FILE) instead of a system
#
# arm needs: rustup target add aarch64-unknown-linux-gnu, and Debian's gcc-aarch64-linux-gnu and
# qemu-user. It builds every dependency once more.
# avx512 needs Debian's bochs, bochsbios, vgabios, isolinux, syslinux-common, xorriso and cpio, and in
# KERNEL a kernel of linux-image-cloud-amd64 (unpacked is enough). It takes minutes. TESTS filters; without it,
# all run but those that read files of the repository.
set -euo pipefail
cd "$(dirname "$0")/../.."

arm() {
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    for cpu in max cortex-a72; do # the second has no dot products
        level=NEON
        if [ "$cpu" = max ]; then level=NEON-with-dot-products; fi
        TUNING_FORK_LEVEL=$level CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $cpu -L /usr/aarch64-linux-gnu" \
            cargo test --locked -p tuning-fork-kernels --lib --target aarch64-unknown-linux-gnu
    done
}

avx512() {
    local binary=${1:-}
    if [ -z "$binary" ]; then
        binary=$(cargo test --locked -p tuning-fork-kernels --lib --no-run 2>&1 | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
    fi
    folder=$(mktemp -d)
    bochs_pid=
    trap 'kill "$bochs_pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
    mkdir -p "$folder"/{root/dev,root/tmp,iso/isolinux}

    strip -o "$folder/root/init" "$binary"
    ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
        install -D "$library" "$folder/root$library"
    done
    (cd "$folder/root" && find . | cpio --quiet -o -H newc | gzip -1) > "$folder/iso/initrd.gz"
    cp "${KERNEL:?the path of a kernel}" "$folder/iso/vmlinuz"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$folder/iso/isolinux"
    # 515, 321, 323: the registers' save area is not as Bochs 2.7 says with protection keys, and not
    # compacted. 580: fast short copies are claimed, and the slow ones that they replace forbidden.
    cat > "$folder/iso/isolinux/isolinux.cfg" <<EOF
default tests
label tests
kernel /vmlinuz
append initrd=/initrd.gz rdinit=/init console=ttyS0 quiet mitigations=off lpj=1000000 lsm=capability acpi=off noapic nolapic_timer clearcpuid=515,321,323,580 TUNING_FORK_LEVEL=AVX-512-with-VNNI -- ${TESTS:---skip unpack::} --test-threads=1
EOF
    xorriso -as mkisofs -quiet -o "$folder/boot.iso" -b isolinux/isolinux.bin \
        -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$folder/iso"

    cat > "$folder/bochsrc" <<EOF
display_library: rfb, options="timeout=0"
cpu: model=corei7_icelake_u, ips=50000000, ignore_bad_msrs=1
clock: sync=none, time0=1700000000
memory: guest=2048, host=2048
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=$folder/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$folder/serial
log: $folder/log
EOF
    echo c > "$folder/debugger" # Debian's Bochs waits in its debugger
    : > "$folder/serial"
    nice -n 19 bochs-bin -q -f "$folder/bochsrc" -rc "$folder/debugger" < /dev/null > /dev/null 2>&1 &
    bochs_pid=$!
    # The tests are the first process: their end is the end of that Linux, which says how they ended.
    tail -n +1 -f --pid="$bochs_pid" "$folder/serial" | sed -u '/Kernel panic/q' || true
    # A word that a kernel does not know becomes a filter, and no test at all ends well too.
    grep -q 'exitcode=0x00000000' "$folder/serial" && grep -q '^running [1-9]' "$folder/serial"
}

case "${1:-}" in
    arm) arm ;;
    avx512) avx512 "${2:-}" ;;
    *) sed -n 's/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
