#pragma once
// Turns what did not hold into sentences, with the places in instance and schema.

#include "program.hpp"

namespace taskstore::schema {

/// "must have at most 10 characters, but has 12".
std::string bound_message(std::string_view must, std::uint64_t bound, std::string_view thing,
                          std::uint64_t actual);
/// The value as it was written, cut to 80 bytes.
std::string cut_value(const Tape& tape, CellIndex at);

class Teller {
  public:
    Teller(const Program& program, const Tape& tape, std::size_t max)
        : x_program(program), x_tape(tape), x_max(max) {}

    bool full() const { return x_violations.size() >= x_max; }
    void tell(const Node& node, std::string_view keyword, CellIndex at, std::string message);
    void tell_missing(const Node& node, std::string_view keyword, CellIndex at,
                      std::string_view name, std::string_view because_of);
    void tell_extra(const Node& node, std::string_view keyword, CellIndex at);
    void add(std::vector<Violation> violations);
    /// One for the same instance that begins empty.
    Teller aside() const { return {x_program, x_tape, std::min<std::size_t>(x_max, 10)}; }
    std::vector<Violation> take() { return std::move(x_violations); }

    std::string type_message(std::uint8_t types, CellIndex at) const;
    std::string values_message(const Node& node, const Values& values) const;
    std::string pattern_message(const Node& node) const;
    std::string format_message(const Node& node) const;
    std::string limit_message(const Node& node, std::string_view keyword,
                              std::string_view must) const;

  private:
    std::string schema_path(const Node& node, std::string_view keyword) const;
    std::string text_of(const Node& node, std::string_view keyword) const;

    const Program& x_program;
    const Tape& x_tape;
    std::size_t x_max;
    std::vector<Violation> x_violations;
};

}  // namespace taskstore::schema
