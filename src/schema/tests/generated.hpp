#pragma once
// Random schemas of 2020-12 and instances that have to do with them: few names and few values, so
// that both fitting and not fitting are common.

#include <taskstore/base/json.hpp>

#include <array>
#include <random>
#include <string>

namespace taskstore::schema {

class Generator {
  public:
    explicit Generator(std::uint64_t seed) : x_random(seed) {}

    unsigned below(unsigned bound) { return static_cast<unsigned>(x_random() % bound); }
    bool one_in(unsigned n) { return below(n) == 0; }

    /// With $defs that it refers to.
    std::string schema() {
        x_unevaluated_items = one_in(4);
        x_definitions = below(4);
        std::string defs;
        for (unsigned i = 0; i < x_definitions; ++i) {
            x_lowest = i + 1;  // A definition refers to later ones alone: no cycles.
            if (i > 0) defs += ",";
            std::string text = object_schema(2);
            if (i % 2 == 0) {
                text.insert(
                    1, "\"$anchor\":\"n" + std::to_string(i) + "\"" + (text.size() > 2 ? "," : ""));
            }
            defs += "\"d" + std::to_string(i) + "\":" + text;
        }
        x_lowest = 0;
        std::string text = object_schema(3);
        if (x_definitions > 0) {
            text.insert(1, "\"$defs\":{" + defs + "}" + (text.size() > 2 ? "," : ""));
        }
        return text;
    }

    std::string value(unsigned depth) {
        switch (below(depth == 0 ? 7 : 11)) {
            case 0:
                return "null";
            case 1:
                return one_in(2) ? "true" : "false";
            case 2:
            case 3:
                return number();
            case 4:
            case 5:
            case 6:
                return quoted(text());
            case 7:
            case 8: {
                std::string out = "[";
                for (unsigned i = below(5); i > 0; --i) {
                    out += value(depth - 1) + (i > 1 ? "," : "");
                }
                return out + "]";
            }
            default: {
                std::string out = "{";
                for (const char* name : kNames) {
                    if (!one_in(3)) continue;
                    if (out.size() > 1) out += ",";
                    out += quoted(name) + ":" + value(depth - 1);
                }
                return out + "}";
            }
        }
    }

    /// Some value of the schema replaced by one of a wrong kind, at times.
    std::string damaged_keyword() {
        static constexpr std::array kKeywords{"type",
                                              "enum",
                                              "minLength",
                                              "maxLength",
                                              "pattern",
                                              "minimum",
                                              "multipleOf",
                                              "required",
                                              "properties",
                                              "items",
                                              "prefixItems",
                                              "allOf",
                                              "not",
                                              "contains",
                                              "uniqueItems",
                                              "dependentRequired",
                                              "title",
                                              "$defs",
                                              "patternProperties",
                                              "additionalProperties",
                                              "minContains",
                                              "propertyNames",
                                              "unevaluatedItems",
                                              "examples",
                                              "readOnly",
                                              "if",
                                              "dependentSchemas",
                                              "$anchor",
                                              "$comment",
                                              "anyOf",
                                              "exclusiveMaximum",
                                              "maxProperties"};
        static constexpr std::array kValues{
            "1",    "-1",   "1.5",   "\"a\"",           "\"string\"",
            "true", "null", "[]",    "[\"a\"]",         "[\"a\",\"a\"]",
            "{}",   "[{}]", "[1]",   "{\"a\":1}",       "{\"a\":{}}",
            "0",    "3.0",  "\"(\"", "{\"a\":[\"b\"]}", "{\"(\":{}}"};
        return std::string("{\"") + kKeywords[below(kKeywords.size())] +
               "\":" + kValues[below(kValues.size())] + "}";
    }

  private:
    static constexpr std::array kNames{"a", "b", "c", "ab", "x1", "é"};
    static constexpr std::array kPatterns{
        "^a",  "b$",       "^[a-c]+$", "\\d",        "^x[0-9]{1,2}$",
        "é|b", "^(a|b)*$", "^.$",      "\\p{Ll}{2}", "^(?!ab)a?"};
    static constexpr std::array kTexts{"",   "a",  "b", "ab", "abc", "x1",  "x12", "é",
                                       "éé", "😀", "B", "1",  "aa",  "a b", "ba"};

    static std::string quoted(std::string_view text) {
        std::string out;
        append_json_string(out, text);
        return out;
    }
    std::string text() { return kTexts[below(kTexts.size())]; }
    std::string number() {
        // Halves and quarters: what binary fractions hold exactly, for ajv counts in them.
        static constexpr std::array kNumbers{"0",   "1",    "2",  "3",   "-1",   "1.0", "0.5",
                                             "1.5", "2.25", "10", "1e1", "-0.0", "100", "7"};
        return kNumbers[below(kNumbers.size())];
    }
    std::string small() { return std::to_string(below(4)); }
    std::string name() { return quoted(kNames[below(kNames.size())]); }
    std::string pattern() { return quoted(kPatterns[below(kPatterns.size())]); }

    std::string schema_of(unsigned depth) {
        if (one_in(12)) return one_in(3) ? "false" : "true";
        return object_schema(depth);
    }
    std::string list_of(unsigned depth) {
        std::string out = "[";
        for (unsigned i = 1 + below(3); i > 0; --i) {
            out += schema_of(depth) + (i > 1 ? "," : "");
        }
        return out + "]";
    }
    std::string map_of(unsigned depth) {
        std::string out = "{";
        for (const char* name : kNames) {
            if (!one_in(3)) continue;
            if (out.size() > 1) out += ",";
            out += quoted(name) + ":" + schema_of(depth);
        }
        return out + "}";
    }
    std::string names() {
        std::string out = "[";
        for (const char* name : kNames) {
            if (!one_in(4)) continue;
            if (out.size() > 1) out += ",";
            out += quoted(name);
        }
        return out + "]";
    }
    std::string type() {
        static constexpr std::array kTypes{"null",   "boolean", "number", "integer",
                                           "string", "array",   "object"};
        if (!one_in(3)) return quoted(kTypes[below(kTypes.size())]);
        const unsigned first = below(kTypes.size());
        return "[" + quoted(kTypes[first]) + "," +
               quoted(kTypes[(first + 1 + below(kTypes.size() - 1)) % kTypes.size()]) + "]";
    }

    std::string object_schema(unsigned depth) {
        std::string out = "{";
        std::array<bool, 40> used{};
        const auto add = [&](unsigned id, const char* keyword, const std::string& value) {
            if (used[id]) return;
            used[id] = true;
            if (out.size() > 1) out += ",";
            out += "\"" + std::string(keyword) + "\":" + value;
        };
        for (unsigned i = 1 + below(4); i > 0; --i) {
            switch (const unsigned id = below(depth == 0 ? 16 : 36); id) {
                case 0:
                case 1:
                    add(0, "type", type());
                    break;
                case 2:
                    add(id, "enum", "[" + value(1) + "," + value(1) + "," + value(0) + "]");
                    break;
                case 3:
                    add(id, "const", value(1));
                    break;
                case 4:
                    add(id, "minLength", small());
                    break;
                case 5:
                    add(id, "maxLength", small());
                    break;
                case 6:
                    add(id, "pattern", pattern());
                    break;
                case 7:
                    add(id, "minimum", number());
                    break;
                case 8:
                    add(id, "exclusiveMaximum", number());
                    break;
                case 9: {
                    static constexpr std::array kDivisors{"1", "2", "0.5", "0.25", "3", "1.5"};
                    add(id, "multipleOf", kDivisors[below(kDivisors.size())]);
                    break;
                }
                case 10:
                    add(id, "minItems", small());
                    break;
                case 11:
                    add(id, "maxItems", small());
                    break;
                case 12:
                    add(id, "uniqueItems", "true");
                    break;
                case 13:
                    add(id, "required", names());
                    break;
                case 14:
                    add(id, "maxProperties", small());
                    break;
                case 15:
                    add(id, "dependentRequired", "{" + name() + ":" + names() + "}");
                    break;
                case 16:
                case 17:
                    add(16, "properties", map_of(depth - 1));
                    break;
                case 18:
                    add(id, "patternProperties",
                        "{" + pattern() + ":" + schema_of(depth - 1) + "}");
                    break;
                case 19:
                    add(id, "additionalProperties", schema_of(depth - 1));
                    break;
                case 20:
                    add(id, "propertyNames", schema_of(depth - 1));
                    break;
                case 21:
                    add(id, "items", schema_of(depth - 1));
                    break;
                case 22:
                    add(id, "prefixItems", list_of(depth - 1));
                    break;
                case 23:
                    // ajv does not count items that contains found as evaluated (KD1).
                    if (x_unevaluated_items) break;
                    add(id, "contains", schema_of(depth - 1));
                    if (one_in(2)) add(36, "minContains", small());
                    if (one_in(2)) add(37, "maxContains", small());
                    break;
                case 24:
                    add(id, "allOf", list_of(depth - 1));
                    break;
                case 25:
                case 26:
                    add(25, "anyOf", list_of(depth - 1));
                    break;
                case 27:
                    add(id, "oneOf", list_of(depth - 1));
                    break;
                case 28:
                    add(id, "not", schema_of(depth - 1));
                    break;
                case 29:
                    add(id, "if", schema_of(depth - 1));
                    if (!one_in(3)) add(38, "then", schema_of(depth - 1));
                    if (!one_in(3)) add(39, "else", schema_of(depth - 1));
                    break;
                case 30:
                    add(id, "dependentSchemas", "{" + name() + ":" + schema_of(depth - 1) + "}");
                    break;
                case 31:
                    add(id, "unevaluatedProperties", schema_of(depth - 1));
                    break;
                case 32:
                    if (x_unevaluated_items) add(id, "unevaluatedItems", schema_of(depth - 1));
                    break;
                default: {
                    if (x_lowest >= x_definitions) break;
                    const unsigned target = x_lowest + below(x_definitions - x_lowest);
                    add(33, "$ref",
                        target % 2 == 0 && one_in(2)
                            ? "\"#n" + std::to_string(target) + "\""
                            : "\"#/$defs/d" + std::to_string(target) + "\"");
                    break;
                }
            }
        }
        return out + "}";
    }

    std::mt19937_64 x_random;
    bool x_unevaluated_items = false;
    unsigned x_definitions = 0;
    unsigned x_lowest = 0;
};

}  // namespace taskstore::schema
