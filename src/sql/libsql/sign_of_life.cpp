#include "sign_of_life.hpp"

#include <taskstore/base/check.hpp>

#include <utility>

namespace taskstore::libsql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

std::size_t ignore(const char* /*bytes*/, std::size_t size, std::size_t count, void* /*user*/) {
    return size * count;
}

}  // namespace

SignOfLife::SignOfLife(CURLM* multi, std::string url, bool loopback, std::int64_t silence_ms_max,
                       const Clock& clock)
    : x_multi(multi),
      x_url(std::move(url)),
      x_loopback(loopback),
      x_half_ns(silence_ms_max * kNsPerMs / 2),
      x_clock(clock) {
    if (x_half_ns > 0) x_due_ns = x_clock.boot_ns() + x_half_ns;
}

SignOfLife::~SignOfLife() {
    stop_asking();
}

bool SignOfLife::look(std::uint64_t bytes_passed) {
    if (x_half_ns == 0) return true;
    const std::int64_t now_ns = x_clock.boot_ns();
    if (std::exchange(x_passed, bytes_passed) != bytes_passed) {
        x_due_ns = now_ns + x_half_ns;
        stop_asking();
    }
    if (now_ns < x_due_ns) return true;
    if (x_easy != nullptr) return false;
    ask();
    x_due_ns = now_ns + x_half_ns;
    return true;
}

bool SignOfLife::take(const CURL* easy) {
    if (easy != x_easy || x_easy == nullptr) return false;
    long status = 0;
    curl_easy_getinfo(x_easy, CURLINFO_RESPONSE_CODE, &status);
    const std::int64_t now_ns = x_clock.boot_ns();
    // Refused or cut: the other connection may have an answer under way, so it is waited for as
    // long as for one that says nothing.
    if (status == 0) return true;
    stop_asking();
    x_due_ns = now_ns + x_half_ns;
    return true;
}

void SignOfLife::ask() {
    x_easy = curl_easy_init();
    TASKSTORE_CHECK(x_easy != nullptr);
    const auto set = [&](CURLoption option, auto value) {
        TASKSTORE_CHECK(curl_easy_setopt(x_easy, option, value) == CURLE_OK);
    };
    set(CURLOPT_URL, x_url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_WRITEFUNCTION, &ignore);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
    if (x_loopback) set(CURLOPT_NOPROXY, "*");
    TASKSTORE_CHECK(curl_multi_add_handle(x_multi, x_easy) == CURLM_OK);
}

void SignOfLife::stop_asking() {
    if (x_easy == nullptr) return;
    curl_multi_remove_handle(x_multi, x_easy);
    curl_easy_cleanup(std::exchange(x_easy, nullptr));
}

}  // namespace taskstore::libsql
