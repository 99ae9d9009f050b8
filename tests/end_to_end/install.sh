#!/usr/bin/env bash
# install.sh PROGRAM BUILD SOURCE: installed into a folder, the program works by itself, and a project outside the tree
# builds against the library by its CMake package and by pkg-config.
. "$(dirname "$0")/begin.sh"
build=$2
source=$(realpath "$3")
prefix=$scratch/prefix
expect 0 cmake --install "$build" --prefix "$prefix"
mkdir alone; cp "$prefix/bin/taskstore" alone/; git init -q repo
expect 0 env -i HOME="$scratch" PATH=/usr/bin alone/taskstore -C repo sync
for file in share/man/man1/taskstore.1 share/bash-completion/completions/taskstore share/zsh/vendor-completions/_taskstore \
            share/fish/vendor_completions.d/taskstore.fish include/taskstore/taskstore.hpp; do
  [ -s "$prefix/$file" ] || bad "$file is not installed"
done

cp -r "$source/examples/embed" embed
expect 0 cmake -S embed -B built -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
expect 0 cmake --build built
expect 0 built/embed repo; has "$out" "active: Example PRD"
expect 0 alone/taskstore -C repo list-prds; has "$out" "Example PRD"

flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name taskstore.pc)") pkg-config --define-variable=prefix="$prefix" --cflags --libs taskstore)
# shellcheck disable=SC2086
expect 0 g++ -O1 embed/main.cpp -o by_pkg_config $flags
expect 0 ./by_pkg_config repo
finish
