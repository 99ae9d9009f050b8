#pragma once
// Markdown checklists as plans (floor 2): headings become PRDs, items task specs, checked ones
// complete. Grammar (CommonMark's headings and GitHub's task list items,
// https://github.github.com/gfm/):
//   heading  #{1,6} [TEXT] [ID], or a paragraph TEXT [ID] above a line of === (level 1) or --- (2)
//   item     [indent](-|*|+|N.|N)) [ |x|X] TEXT [ID]
//   text     fenced code, front matter (--- NAME: … ---), and all else
//   ID       <!-- taskstore:ID -->, bytes other than letters, digits, . _ : / and single hyphens as
//            %XX: whose record it is. What export writes.
//   text     <!-- taskstore:text N --> … <!-- taskstore:end N -->: the lines between are content,
//            whatever they look like.
// Text below a heading is its PRD's content, text below an item its spec's. Items and text before
// any heading belong to a PRD named after the file. Every heading makes a PRD, also one with
// nothing below it; one without a text is "(untitled)".

#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::exchange {

struct ChecklistItem {
    std::string id;  ///< Written beside it, else it follows from the file's path, the headings
                     ///< above and the text: the same at every import.
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

/// A title as a heading or an item holds it: in one line, without white space around it; never
/// empty.
std::string title_in_checklist(std::string_view text);
/// What read_checklist reads again as the same: titles in one line, content, ids, ticks.
void append_section(std::string& out, const ChecklistSection& section);
void append_item(std::string& out, const ChecklistItem& item);

}  // namespace taskstore::exchange
