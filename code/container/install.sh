#!/bin/sh
# What the image of the locked environment holds, over a Debian: Containerfile and cordstudy.def both
# copy the same files to /opt/cordstudy/code and run this, as root, and say no more.
#
# Packages of the system are installed where a base has not got them; the environment is that of
# `make -C code env`, in a cache folder that the image's XDG_CACHE_HOME names. Where /wheels holds
# files that `make -C code wheelhouse` kept, pip takes them from there alone.
set -eu
umask 022
home=/opt/cordstudy

missing=''
for program in bwrap git make python3 ssh; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends \
        bubblewrap ca-certificates git make openssh-client python3 python3-venv
    rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
fi

wheels=''
if [ -e /wheels/SHA256SUMS ]; then wheels=/wheels; fi
XDG_CACHE_HOME=$home/cache
export XDG_CACHE_HOME
make -C "$home/code" env WHEELS="$wheels"
ln -sfn "$("$home/code/study" env)" "$home/env"
# DataLad's own cache, beside environments that nobody writes
mkdir -p "$XDG_CACHE_HOME/datalad"
chmod 1777 "$XDG_CACHE_HOME/datalad"
