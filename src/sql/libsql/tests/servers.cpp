#include "servers.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace taskstore::libsql {
namespace {

/// Started from the main thread: it ends with the thread that started it.
class SharedServer final : public testing::Environment {
  public:
    void SetUp() override {
        auto started = start_sqld({.namespaces = true});
        if (!started) {
            std::cerr << started.error().message << "; " << started.error().hint << '\n';
            std::exit(1);
        }
        x_sqld = std::move(*started);
    }
    void TearDown() override { x_sqld.server.reset(); }
    const Sqld& sqld() const { return x_sqld; }

  private:
    Sqld x_sqld;
};

auto* const shared =
    static_cast<SharedServer*>(testing::AddGlobalTestEnvironment(new SharedServer));

}  // namespace

Options test_options() {
    static const SystemClock clock;
    static SystemRandom random;
    Options options;
    options.clock = &clock;
    options.random = &random;
    return options;
}

FreshDatabase::FreshDatabase() {
    static int count = 0;
    x_name = "t" + std::to_string(++count);
    const auto made = make_namespace(shared->sqld(), x_name);
    EXPECT_TRUE(made) << made.error().message;
}

FreshDatabase::~FreshDatabase() {
    EXPECT_TRUE(drop_namespace(shared->sqld(), x_name));
}

std::string FreshDatabase::location() const {
    return shared->sqld().location(x_name);
}

}  // namespace taskstore::libsql
