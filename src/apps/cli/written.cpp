#include "written.hpp"

#include "naming.hpp"

#include <taskstore/base/display.hpp>

namespace taskstore::cli {

std::string quoted(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

std::string json_of(const records::Record& record, std::string_view effect) {
    std::string data = record.data;
    data.insert(data.rfind('}'), std::string(data.find('"') != std::string::npos ? "," : "") +
                                     "\"_revision\":" + quoted(record.revision) +
                                     (effect.empty() ? "" : ",\"_effect\":" + quoted(effect)));
    return data;
}

Status print_written(Context& context, const records::Written& written, std::string_view verb) {
    for (const std::string& note : written.notes) context.warn(note);
    context.flush_notes();
    context.survives(sql::DurabilityLevel::flushed);
    const records::Record& record = written.records[0];
    const records::Effect effect = written.effects[0];
    const std::string what =
        std::string(verb.empty() ? to_text(effect) : verb) + " " + noun_of(record.collection) + " ";
    context.wrote = what + record.id;
    if (context.json) {
        context.print_json(noun_of(record.collection), json_of(record, to_text(effect)));
    } else if (!context.quiet) {
        context.print(
            what + context.terminal.paint(Colour::cyan, printable_line(record.id)) +
            (!verb.empty() && effect == records::Effect::deleted ? ", which is deleted now" : "") +
            "\n");
    } else if (verb.empty() && effect == records::Effect::created) {
        // Who asks for quiet may still need to know what the store called it.
        context.print(printable_line(record.id) + "\n");
    }
    return ok();
}

}  // namespace taskstore::cli
