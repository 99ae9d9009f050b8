#pragma once
// Which statements a session has prepared, least recently used first to go. A statement is sent
// without a name the first time, which costs no round trip, and gets one the second time.

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace taskstore::postgres {

class StatementNames {
  public:
    enum class State : std::uint8_t { seen, preparing, prepared };
    struct Entry {
        std::string key;
        std::string name;  ///< Empty: not prepared yet.
        State state = State::seen;
    };

    /// The entry of this text and these types, made where it is new; `fresh` says so. The reference
    /// lives until the next call.
    Entry& use(std::string_view key, bool& fresh);
    /// A name that no statement of the session had.
    std::string next_name() { return "t" + std::to_string(++x_last_number); }
    void prepared(std::string_view key);
    /// It could not be prepared, or the session has lost it.
    void forget(std::string_view key);
    void forget_all();
    /// Names of evicted statements that the session still has, once they are worth a round trip.
    std::vector<std::string> to_deallocate();
    std::size_t size() const { return x_recent.size(); }

  private:
    std::list<Entry> x_recent;  ///< Most recently used first.
    std::unordered_map<std::string_view, std::list<Entry>::iterator> x_by_key;
    std::vector<std::string> x_evicted;
    std::uint64_t x_last_number = 0;
};

}  // namespace taskstore::postgres
