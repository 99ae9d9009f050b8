#include <taskstore/base/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace taskstore {
namespace {

void print_and_abort(std::string_view expression, std::string_view file, int line) {
    std::fprintf(stderr, "taskstore: a bug: %.*s does not hold (%.*s:%d)\n",
                 static_cast<int>(expression.size()), expression.data(),
                 static_cast<int>(file.size()), file.data(), line);
    std::abort();
}

CheckHandler g_handler = &print_and_abort;

}  // namespace

void set_check_handler(CheckHandler handler) {
    g_handler = handler;
}

void check_failed(std::string_view expression, std::string_view file, int line) {
    g_handler(expression, file, line);
    std::abort();  // a handler that returned: stop all the same
}

}  // namespace taskstore
