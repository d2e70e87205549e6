#!/bin/sh -eu
# Puts the cross tools below the folder that is its one argument, under the names that they are called by. Shell: it does nothing
# but install files.
bin=$1/bin/x86_64-stubdom-linux-musl share=$1/share
cd "$(dirname "$0")"
mkdir -p "$1/bin" "$share"
for name in gcc cc; do install -m 755 gcc "$bin-$name"; done
for name in g++ c++; do install -m 755 g++ "$bin-$name"; done
for name in ld pkg-config; do install -m 755 "$name" "$bin-$name"; done
for name in addr2line ar as nm objcopy objdump ranlib readelf size strings strip; do install -m 755 plain "$bin-$name"; done
install -m 644 config.site meson.cross stubdom.specs toolchain.cmake "$share"
