#pragma once
// Result<T>, Status, Error: how every fallible function answers (floor 0; used everywhere).
// The surface keeps to names that std::expected also has, so that the move to it is this one
// header. No exception crosses a public header; third-party ones are caught in the adapter that
// calls them.

#include <taskstore/base/code.hpp>

#include <string>
#include <utility>
#include <variant>

namespace taskstore {

/// What went wrong. `message` says what, where and how to mend it, for a person; `hint` names the
/// next step (never a destructive command); `native` is errno or SQLite's extended code, for logs,
/// 0 where none.
struct Error {
    Code code = Code::failed;
    std::string message;
    std::string hint;
    int native = 0;
};

/// What fail() returns; converts to any Result. Not for storing.
struct [[nodiscard]] Failure {
    Error error;
    Failure with_hint(std::string hint) && {
        error.hint = std::move(hint);
        return std::move(*this);
    }
    Failure with_native(int native) && {
        error.native = native;
        return std::move(*this);
    }
};

inline Failure fail(Code code, std::string message) {
    return Failure{Error{code, std::move(message), {}, 0}};
}
inline Failure fail(Error error) {
    return Failure{std::move(error)};
}

/// A value or an Error. Check it, then use `*`: `*` on an error is a bug (undefined, asserted in
/// debug builds).
template <typename T>
class [[nodiscard]] Result {
  public:
    using value_type = T;
    Result(T value)
        : x_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
    Result(Failure failure)                                // NOLINT(google-explicit-constructor)
        : x_(std::in_place_index<1>, std::move(failure.error)) {}

    explicit operator bool() const { return x_.index() == 0; }
    bool has_value() const { return x_.index() == 0; }
    T& operator*() & { return *std::get_if<0>(&x_); }
    const T& operator*() const& { return *std::get_if<0>(&x_); }
    T&& operator*() && { return std::move(*std::get_if<0>(&x_)); }
    T* operator->() { return std::get_if<0>(&x_); }
    const T* operator->() const { return std::get_if<0>(&x_); }
    const Error& error() const& { return *std::get_if<1>(&x_); }
    Error&& error() && { return std::move(*std::get_if<1>(&x_)); }
    T value_or(T other) && { return has_value() ? std::move(**this) : std::move(other); }

  private:
    std::variant<T, Error> x_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    using value_type = void;
    Result() = default;
    Result(Failure failure)  // NOLINT(google-explicit-constructor)
        : x_(std::in_place_index<1>, std::move(failure.error)) {}

    explicit operator bool() const { return x_.index() == 0; }
    bool has_value() const { return x_.index() == 0; }
    const Error& error() const& { return *std::get_if<1>(&x_); }
    Error&& error() && { return std::move(*std::get_if<1>(&x_)); }

  private:
    std::variant<std::monostate, Error> x_;
};

using Status = Result<void>;
inline Status ok() {
    return {};
}

}  // namespace taskstore

// TASKSTORE_TRY(expr): returns the error of a Status or Result from the enclosing function; drops
// the value. TASKSTORE_LET(decl, expr): declares `decl` from the value, or returns the error.
#define TASKSTORE_CONCAT_INNER(a, b) a##b
#define TASKSTORE_CONCAT(a, b) TASKSTORE_CONCAT_INNER(a, b)
#define TASKSTORE_TRY(...)                                              \
    do {                                                                \
        if (auto taskstore_try = (__VA_ARGS__); !taskstore_try)         \
            return ::taskstore::fail(std::move(taskstore_try).error()); \
    } while (false)
#define TASKSTORE_LET_INNER(tmp, decl, ...)                     \
    auto tmp = (__VA_ARGS__);                                   \
    if (!tmp) return ::taskstore::fail(std::move(tmp).error()); \
    decl = std::move(*tmp) /* NOLINT(bugprone-macro-parentheses) */
#define TASKSTORE_LET(decl, ...) \
    TASKSTORE_LET_INNER(TASKSTORE_CONCAT(taskstore_let_, __COUNTER__), decl, __VA_ARGS__)
