#pragma once
// Tells a server that is at work on a long statement from one that takes connections and never
// answers (stopped, hung, cut off behind a proxy): after half of the time without a byte it is
// asked something small on a second connection, beside the request that waits. Whatever it answers
// is a sign of life.

#include <curl/curl.h>
#include <taskstore/base/clock.hpp>

#include <cstdint>
#include <string>

namespace taskstore::libsql {

/// Of one exchange, in its multi handle; end it before that. Not thread-safe.
class SignOfLife {
  public:
    /// `url` is asked with GET, without credentials. silence_ms_max 0: never asked, never dead.
    SignOfLife(CURLM* multi, std::string url, bool loopback, std::int64_t silence_ms_max,
               const Clock& clock);
    ~SignOfLife();
    SignOfLife(const SignOfLife&) = delete;
    SignOfLife& operator=(const SignOfLife&) = delete;

    /// Looks at the clock, with how many bytes have passed so far. False: dead.
    bool look(std::uint64_t bytes_passed);
    /// A transfer of the multi handle has ended; false: it is none of this.
    bool take(const CURL* easy);
    /// When look() is due; 0: never.
    std::int64_t due_boot_ns() const { return x_due_ns; }

  private:
    void ask();
    void stop_asking();

    CURLM* const x_multi;
    const std::string x_url;
    const bool x_loopback;
    const std::int64_t x_half_ns;
    const Clock& x_clock;
    std::uint64_t x_passed = 0;
    std::int64_t x_due_ns = 0;
    CURL* x_easy = nullptr;  ///< While it is asked.
};

}  // namespace taskstore::libsql
