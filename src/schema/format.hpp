#pragma once
// The formats of JSON Schema 2020-12 section 7.3 (draft-07's are among them), as grammars of their
// RFCs. idn-hostname is known by name and accepts any text: its rules need Unicode tables.

#include <cstdint>
#include <optional>
#include <string_view>

namespace taskstore::schema {

enum class Format : std::uint8_t {
    date_time,
    date,
    time,
    duration,
    email,
    idn_email,
    hostname,
    idn_hostname,
    ipv4,
    ipv6,
    uri,
    uri_reference,
    iri,
    iri_reference,
    uri_template,
    uuid,
    json_pointer,
    relative_json_pointer,
    regex,
};

/// Nothing for a name that JSON Schema does not define.
std::optional<Format> format_named(std::string_view name);
bool has_format(Format format, std::string_view text);

}  // namespace taskstore::schema
