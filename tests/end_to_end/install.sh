#!/usr/bin/env bash
# install.sh PROGRAM BUILD SOURCE: installed into a folder, the program works by itself, a project outside the tree builds
# against the library by its CMake package and by pkg-config, and the Debian packages hold what they should.
. "$(dirname "$0")/begin.sh"
build=$2
source=$(realpath "$3")
prefix=$scratch/prefix
expect 0 cmake --install "$build" --prefix "$prefix"
mkdir alone; cp "$prefix/bin/taskstore" alone/; git init -q repo
expect 0 env -i HOME="$scratch" PATH=/usr/bin alone/taskstore -C repo sync
cp "$prefix/bin/taskstore-merge" alone/
expect 2 env -i PATH=/usr/bin alone/taskstore-merge; has "$err" "usage: "
for file in share/man/man1/taskstore.1 share/man/man1/taskstore-merge.1 share/bash-completion/completions/taskstore share/zsh/vendor-completions/_taskstore \
            share/fish/vendor_completions.d/taskstore.fish include/taskstore/taskstore.hpp; do
  [ -s "$prefix/$file" ] || bad "$file is not installed"
done

cp -r "$source/examples/embed" embed
expect 0 cmake -S embed -B built -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
expect 0 cmake --build built
expect 0 built/embed repo; has "$out" "active: Example PRD"
has "$out" "urgent: Crash at start"; has "$out" "cannot go from fixed to open"; has "$out" "left: 0"
expect 0 alone/taskstore -C repo collection show bugs; has "$out" '"what went wrong"'
expect 0 built/tasks tasks.db; has "$out" "Created task: Build project (flushed)"; has "$out" "pending: Build project"
expect 0 built/worker tasks.db; has "$out" "Count: completed"
expect 0 ctest --test-dir built; has "$out" "100% tests passed"
expect 0 alone/taskstore -C repo list-prds; has "$out" "Example PRD"

# The contracts come with the component that needs GoogleTest: here for a file system of a stranger's.
mkdir contract
cat >contract/CMakeLists.txt <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(contract LANGUAGES CXX)
find_package(taskstore REQUIRED COMPONENTS contracts)
add_executable(contract contract.cpp)
target_link_libraries(contract PRIVATE taskstore::file_system_contract GTest::gtest_main)
TEXT
cat >contract/contract.cpp <<'TEXT'
#include <taskstore/testing/file_system_contract.hpp>
namespace taskstore::os {
FileSystemSubject mine() { return {.files = std::make_unique<SystemFileSystem>()}; }
INSTANTIATE_TEST_SUITE_P(Mine, FileSystemContract, testing::Values(mine));
}
TEXT
expect 0 cmake -S contract -B contract/built -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
expect 0 cmake --build contract/built
expect 0 contract/built/contract; has "$out" "ReadsAreShortOnlyAtTheEnd"; has "$out" "PASSED"

# tools/debian-check installs them on a clean system.
expect 0 cpack --config "$build/CPackConfig.cmake" -B "$scratch/packed"
mkdir unpacked
for deb in taskstore libtaskstore-dev; do
  file=$(echo packed/${deb}_*.deb)
  expect 0 dpkg-deb --info "$file"
  has "$out" "Package: $deb"; has "$out" "Maintainer: "; has "$out" "Section: "; has "$out" "Depends: lib"
  expect 0 dpkg-deb --extract "$file" unpacked
  for page in copyright changelog.gz changelog.Debian.gz; do
    [ -s "unpacked/usr/share/doc/$deb/$page" ] || bad "$deb has no $page"
  done
done
expect 0 env -i HOME="$scratch" unpacked/usr/bin/taskstore version; has "$out" "taskstore "
expect 0 zcat unpacked/usr/share/man/man1/taskstore.1.gz; has "$out" ".TH"
for file in include/taskstore/taskstore.hpp lib/pkgconfig/taskstore.pc lib/cmake/taskstore/taskstoreConfig.cmake \
            share/bash-completion/completions/taskstore share/zsh/vendor-completions/_taskstore \
            share/fish/vendor_completions.d/taskstore.fish; do
  [ -s "unpacked/usr/$file" ] || bad "no package has $file"
done
# The packed archives have lost what link-time optimisation left in them; they still link.
flags=$(PKG_CONFIG_PATH=$scratch/unpacked/usr/lib/pkgconfig pkg-config --cflags --libs taskstore)
# shellcheck disable=SC2086
expect 0 g++ -O1 embed/main.cpp -o by_pkg_config $flags
expect 0 ./by_pkg_config repo
expect 0 dpkg-deb --field packed/taskstore_*.deb Depends
case "$out" in *-dev*) bad "the program needs a package for building: $out" ;; esac
finish
