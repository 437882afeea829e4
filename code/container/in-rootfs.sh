#!/bin/sh
# in-rootfs.sh FOLDER COMMAND...   a command in the image of Containerfile where no container engine
# runs: FOLDER is its root file system, unpacked, and bubblewrap shows it read-only, with the present
# folder at its own path.
set -eu
root=$(CDPATH='' cd -- "$1" && pwd -P)
shift
here=$(pwd -P)
number=$#
for place in "$root"/*; do # one by one, so that the present folder may lie anywhere
    name=/${place##*/}
    case $name in /proc | /dev | /tmp) continue ;; esac
    if [ -L "$place" ]; then
        set -- "$@" --symlink "$(readlink "$place")" "$name"
    elif [ -d "$place" ]; then
        set -- "$@" --ro-bind "$place" "$name"
    fi
done
set -- "$@" --proc /proc --dev /dev --tmpfs /tmp --tmpfs /opt/cordstudy/cache/datalad
set -- "$@" --bind "$here" "$here" --chdir "$here" --setenv HOME /tmp --setenv TMPDIR /tmp
# what Containerfile sets
set -- "$@" --setenv XDG_CACHE_HOME /opt/cordstudy/cache --setenv CORDSTUDY_CACHE /tmp/cordstudy
set -- "$@" --setenv LANG C.UTF-8 --setenv PATH /opt/cordstudy/env/bin:/usr/local/bin:/usr/bin:/bin
while [ "$number" -gt 0 ]; do # the command comes last
    set -- "$@" "$1"
    shift
    number=$((number - 1))
done
exec bwrap --unshare-all --share-net --die-with-parent "$@"
