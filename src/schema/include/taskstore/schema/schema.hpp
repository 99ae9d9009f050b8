#pragma once
// JSON Schema, compiled once and used often (floor 2; collections check their records with it).
// Draft 2020-12 (https://json-schema.org/draft/2020-12): core, applicator, unevaluated, validation,
// format as annotation or, on request, assertion; and draft-07. Nothing is ever fetched: a $ref
// reaches the schema itself, the documents given beside it, and the metaschemas, which are built
// in.
//
// Numbers are exact, whatever their size: 1.0 is an integer, 0.3 a multiple of 0.1. Patterns are
// ECMA-262, matched in linear time; look-ahead only right after a leading '^', no look-behind, no
// backreferences (refused by compile). A schema cannot make validation run away: every call has a
// budget of steps, and ends in an error when it is used up.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::schema {

enum class Dialect : std::uint8_t { draft_2020_12, draft_07 };

/// A schema that others may refer to by its URI (or by the $id in it).
struct Document {
    std::string uri;
    std::string text;
};

struct CompileOptions {
    Dialect dialect = Dialect::draft_2020_12;  ///< Where there is no $schema.
    bool assert_formats = false;               ///< Else formats are asserted only where the
                                               ///< metaschema's vocabulary demands it.
    std::string base_uri;                      ///< Of the schema, where its $id is relative.
    std::vector<Document> documents;
};

struct ValidateOptions {
    std::size_t violations_max = 100;      ///< At least one is always told.
    std::uint64_t steps_max = 20'000'000;  ///< On top of 64 per value and 4 per byte.
};

/// One reason why an instance does not fit.
struct Violation {
    std::string instance_path;  ///< JSON Pointer (RFC 6901) to the value; "" is the whole.
    std::string schema_path;    ///< JSON Pointer to the keyword in the schema; "URI#/…" in another
                                ///< document.
    std::string keyword;        ///< "maxLength"; "" where the schema is `false` itself.
    std::string value;          ///< The value as it was written, cut to 80 bytes.
    std::string message;        ///< For a person: "must have at most 10 characters, but has 12".
};

/// What a schema says about one top-level member, for those who derive fields from it.
struct Property {
    std::string name;
    std::vector<std::string> types;  ///< Of the type keyword, else of enum's or const's values.
    std::string title;
    std::string description;
    std::string format;
    std::string default_json;              ///< JSON text; empty where there is none.
    std::vector<std::string> enum_values;  ///< JSON texts, as they were written.
    bool required = false;
};

/// A compiled schema. Immutable and safe to use from many threads; copies share.
class Schema {
  public:
    /// invalid: not JSON, not a schema (the message names up to eight places), a $ref that reaches
    /// nothing, a cycle of references that would never end. unsupported: another draft, a required
    /// vocabulary that is unknown, a pattern that has no linear machine, more than 100,000
    /// subschemas or 8 MiB of text.
    static Result<Schema> compile(std::string_view text, const CompileOptions& options = {});

    /// Nothing where `json` fits. invalid: `json` is no JSON text (line and column), or the budget
    /// was used up.
    Result<std::vector<Violation>> validate(std::string_view json,
                                            const ValidateOptions& options = {}) const;
    /// Whether `json` fits; quicker than validate where it does not. Errors as validate.
    Result<bool> fits(std::string_view json, const ValidateOptions& options = {}) const;

    /// Members that the schema describes at the top level, in written order: its own properties and
    /// those of what $ref and allOf bring in at the root.
    std::vector<Property> properties() const;
    std::string title() const;
    std::string description() const;
    /// As it was given.
    std::string_view text() const;

  private:
    struct Compiled;
    explicit Schema(std::shared_ptr<const Compiled> compiled);
    std::shared_ptr<const Compiled> x_;
};

/// For a person, one line: "/title: must be string, but is integer (12)".
std::string to_text(const Violation& violation);

}  // namespace taskstore::schema
