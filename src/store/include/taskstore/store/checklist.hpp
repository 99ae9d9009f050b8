#pragma once
// Markdown checklists as plans (floor 5): headings become PRDs, items task specs, checked ones
// complete. Grammar (CommonMark's ATX headings and GitHub's task list items,
// https://github.github.com/gfm/):
//   heading  #{1,6} TEXT        item  [indent](-|*|+|N.|N)) [ |x|X] TEXT        fenced code is text
// Text below a heading is its PRD's content, text below an item its spec's. Items before any
// heading belong to a PRD named after the file. A heading with neither items nor text makes no
// record.

#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::store {

struct ChecklistItem {
    std::string id;  ///< Follows from the file's path, the headings above and the text: the same at
                     ///< every import.
    std::string text;
    std::string content;
    bool checked = false;
    int line = 0;
};

struct ChecklistSection {
    std::string id;
    std::string title;
    std::string content;
    std::vector<ChecklistItem> items;
    int line = 0;
};

/// invalid: not UTF-8, U+0000, or over 64 MiB. `path`: what names the file among those of the plan
/// (name_in_plan); it goes into the ids, without the ending of its last part.
Result<std::vector<ChecklistSection>> read_checklist(std::string_view text, std::string_view path);

}  // namespace taskstore::store
