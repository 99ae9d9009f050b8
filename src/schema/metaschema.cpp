#include "program.hpp"

#include <metaschemas.hpp>

#include <array>
#include <utility>

namespace taskstore::schema {

std::optional<std::string_view> metaschema_text(std::string_view uri) {
    constexpr std::string_view kMeta = "https://json-schema.org/draft/2020-12/meta/";
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kParts{{
        {"core", metaschemas::meta_core},
        {"applicator", metaschemas::meta_applicator},
        {"unevaluated", metaschemas::meta_unevaluated},
        {"validation", metaschemas::meta_validation},
        {"meta-data", metaschemas::meta_meta_data},
        {"format-annotation", metaschemas::meta_format_annotation},
        {"format-assertion", metaschemas::meta_format_assertion},
        {"content", metaschemas::meta_content},
    }};
    if (uri == "https://json-schema.org/draft/2020-12/schema") return metaschemas::draft_2020_12;
    if (uri == "http://json-schema.org/draft-07/schema") return metaschemas::draft_07;
    if (uri.starts_with(kMeta)) {
        for (const auto& [name, text] : kParts) {
            if (uri.substr(kMeta.size()) == name) return text;
        }
    }
    return std::nullopt;
}

}  // namespace taskstore::schema
