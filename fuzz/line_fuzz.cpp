// Any bytes as ledger lines: decoded or damaged, never a crash; what decodes folds the same in any
// order, and the state that it folds to makes a next line that decodes.
#include <taskstore/base/check.hpp>
#include <taskstore/ledger/edit.hpp>

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace taskstore;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    ledger::LineDecoder decoder;
    std::vector<ledger::Line> lines;
    for (std::size_t at = 0; at < text.size() && lines.size() < 8;) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        auto line = decoder.decode(text.substr(at, end - at));
        if (line)
            lines.push_back(std::move(*line));
        else
            TASKSTORE_CHECK(decoder.damage().offset <= end - at &&
                            !decoder.damage().reason.empty());
        at = end + 1;
    }
    if (lines.empty()) return 0;
    for (ledger::Line& line : lines) line.id = lines[0].id;
    const ledger::State state = ledger::fold({}, lines);
    std::ranges::reverse(lines);
    TASKSTORE_CHECK(ledger::fold({}, lines) == state);
    const auto at = ledger::next_stamp({1, 0, "f"}, state);
    if (!at) return 0;
    const std::string next =
        ledger::encode_edit({}, state, {{"title", "\"x\""}, {"id", "\"a\""}}, *at, {.by = "f"});
    TASKSTORE_CHECK(decoder.decode(std::string_view(next).substr(0, next.size() - 1)));
    return 0;
}
