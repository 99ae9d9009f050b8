// The TOML parser stays in this file: its header costs more to compile than the rest of the module.
#include <taskstore/config/config.hpp>

#include <toml++/toml.h>

namespace taskstore::config {
namespace {

Failure misplaced(const toml::node& node, std::string_view key, std::string_view source,
                  std::string_view what) {
    return fail(Code::invalid, std::string(source) + ", line " +
                                   std::to_string(node.source().begin.line) + ": '" +
                                   std::string(key) + "' is " + std::string(what) +
                                   "; settings are text, whole numbers, true or false");
}

Status put(Layer& layer, const std::string& key, const toml::node& node) {
    if (const auto* text = node.as_string())
        layer.values[key] = text->get();
    else if (const auto* number = node.as_integer())
        layer.values[key] = std::to_string(number->get());
    else if (const auto* flag = node.as_boolean())
        layer.values[key] = flag->get() ? "true" : "false";
    else
        return misplaced(node, key, layer.source,
                         node.is_table() ? "a table too deep" : "of another type");
    return ok();
}

}  // namespace

Result<Layer> parse_toml(std::string_view text, std::string source, bool plan) {
    Layer layer{.source = std::move(source), .plan = plan, .values = {}};
    try {
        const toml::table root = toml::parse(text, layer.source);
        for (const auto& [name, node] : root) {
            const std::string section(name.str());
            const auto* table = node.as_table();
            if (table == nullptr) {
                TASKSTORE_TRY(put(layer, section, node));
                continue;
            }
            for (const auto& [key, value] : *table)
                TASKSTORE_TRY(put(layer, section + "." + std::string(key.str()), value));
        }
    } catch (const toml::parse_error& error) {
        return fail(Code::invalid, layer.source + ", line " +
                                       std::to_string(error.source().begin.line) + ", column " +
                                       std::to_string(error.source().begin.column) + ": " +
                                       std::string(error.description()));
    } catch (const std::exception& error) {
        return fail(Code::invalid, layer.source + ": " + error.what());
    }
    return layer;
}

}  // namespace taskstore::config
