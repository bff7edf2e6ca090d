#!/bin/sh
# rootfs.sh BINARY FOLDER: puts the binary, the libraries that it is linked with, the system's certificate authorities and the few files
# of /etc that name resolution reads into a folder that becomes the image.
set -eu
binary=$1
root=$2

install -D -m 0755 "$binary" "$root/usr/bin/carnet"
# Lines of ldd are `NAME => PATH (ADDRESS)`, and the loader's `PATH (ADDRESS)`; the kernel's own has no path.
ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | sort -u | while read -r library; do
    install -D -m 0755 "$(readlink -f "$library")" "$root$library"
done
install -D -m 0644 "$(readlink -f /etc/ssl/certs/ca-certificates.crt)" "$root/etc/ssl/certs/ca-certificates.crt"
for package in libc6 libgcc-s1 ca-certificates; do
    if [ -e "/usr/share/doc/$package/copyright" ]; then
        install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    fi
done

printf 'root:x:0:0:root:/:/sbin/nologin\ncarnet:x:65532:65532:carnet:/var/lib/carnet:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\ncarnet:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
mkdir -p -m 0700 "$root/var/lib/carnet"
mkdir -p -m 1777 "$root/tmp"

find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
