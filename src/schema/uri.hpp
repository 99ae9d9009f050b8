#pragma once
// URI references (RFC 3986): as far as naming and finding schemas needs them, and no further.
// Nothing is ever fetched.

#include <string>
#include <string_view>

namespace taskstore::schema {

/// `reference` against `base` (RFC 3986 section 5.2, strict), fragment and all. A base of "" is the
/// unnamed document: the reference stays as it is.
std::string resolve_uri(std::string_view base, std::string_view reference);

struct SplitUri {
    std::string_view resource;  ///< Without the fragment.
    std::string_view fragment;  ///< Without '#'.
};
SplitUri split_fragment(std::string_view uri);

/// Percent-decoded; what is no valid escape stays as it is.
std::string percent_decoded(std::string_view text);

}  // namespace taskstore::schema
