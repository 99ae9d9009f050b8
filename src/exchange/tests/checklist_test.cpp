#include <taskstore/exchange/checklist.hpp>

#include <gtest/gtest.h>

namespace taskstore::exchange {
namespace {

TEST(Checklist, HeadingsBecomeSectionsAndItemsTheirSteps) {
    const auto sections = read_checklist(
        "# Plan\n\nwhy\n\n- [ ] one\n  more\n* [x] two\n\n## Later #\n1. [X] three\n\n# Empty\n",
        "plan.md");
    ASSERT_TRUE(sections);
    ASSERT_EQ(sections->size(), 3U);
    EXPECT_EQ((*sections)[2].title, "Empty");
    EXPECT_EQ((*sections)[0].title, "Plan");
    EXPECT_EQ((*sections)[0].content, "why");
    EXPECT_EQ((*sections)[0].items[0].content, "  more");
    EXPECT_TRUE((*sections)[0].items[1].checked);
    EXPECT_EQ((*sections)[1].title, "Later");
    EXPECT_TRUE((*sections)[1].items[0].checked);
}

std::string titles(std::string_view text) {
    const auto sections = read_checklist(text, "file.md");
    if (!sections) return sections.error().message;
    std::string out;
    for (const ChecklistSection& section : *sections) {
        out += section.title + "(" + section.content + ")";
        for (const ChecklistItem& item : section.items)
            out += "[" + item.text + "|" + item.content + "]";
    }
    return out;
}

TEST(Checklist, EveryHeadingIsThereAlsoAnEmptyOne) {
    EXPECT_EQ(titles("# A\n## B\n- [ ] x\n# C\n"), "A()B()[x|]C()");
    EXPECT_EQ(titles("# A\n#\ntext\n## ##\n- [ ] x\n#\tTab\n####### no\n"),
              "A()(untitled)(text)(untitled)()[x|]Tab(####### no)");
    const auto twice = read_checklist("#\n#\n", "a.md");
    ASSERT_EQ(twice->size(), 2U);
    EXPECT_NE(twice->at(0).id, twice->at(1).id);
}

TEST(Checklist, UnderlinedTextIsAHeading) {
    EXPECT_EQ(titles("Plan\n====\n\nwhy\n\nPart one\n--------\n- [x] done\n"),
              "Plan(why)Part one()[done|]");
    EXPECT_EQ(titles("two\nlines\n=\n- [ ] x\n\nNext\n-\r\ntext\n"), "two lines()[x|]Next(text)");
    EXPECT_EQ(titles("Named <!-- taskstore:p1 -->\n===\n"), "Named()");
    EXPECT_EQ(read_checklist("Named <!-- taskstore:p1 -->\n===\n", "a.md")->at(0).id, "p1");
    // Levels count for ids as those of # and ## do.
    EXPECT_EQ(read_checklist("A\n=\nB\n-\n", "a.md")->at(1).id,
              read_checklist("# A\n## B\n", "a.md")->at(1).id);
    EXPECT_EQ(read_checklist("x\n\nA\n=\n", "a.md")->at(1).line, 3);
}

TEST(Checklist, WhatIsNotUnderTextOfItsOwnIsNoUnderline) {
    for (const char* text :
         {"text\n\n---\nmore", "- [ ] x\n---", "- [ ] x\n  more\n---", "* list\n---\nmore",
          "> quote\n---", "    code\n---", "```\ncode\n---\n```", "a | b\n--- | ---\n1 | 2",
          "- [ ] x\n\n  more\n  ---", "<!-- note -->\n---", "text\n- - -",
          "text\n=-=", "1. list\n===", "***\n---"}) {
        const std::string whole = "# A\n" + std::string(text) + "\n";
        const auto sections = read_checklist(whole, "a.md");
        ASSERT_TRUE(sections);
        EXPECT_EQ(sections->size(), 1U) << text;
        const ChecklistSection& section = sections->front();
        const std::string all = section.items.empty() ? section.content : section.items[0].content;
        EXPECT_TRUE(all.find("--") != std::string::npos || all.find('=') != std::string::npos ||
                    all.find("- -") != std::string::npos)
            << text << " lost its line: " << all;
    }
}

TEST(Checklist, FrontMatterIsText) {
    EXPECT_EQ(titles("---\ntitle: x\n# note\n---\n# A\n- [ ] y\n"),
              "file(---\ntitle: x\n# note\n---)A()[y|]");
    EXPECT_EQ(titles("---\n# A\n- [ ] y\n\n---\n"), "file(---)A()[y|---]");
}

TEST(Checklist, ContentThatLooksUnderlinedComesBack) {
    for (const char* content : {"Title\n===", "a\n\nb\n---\nc", "---\nx: y\n---", "#", "##\n"}) {
        std::string out;
        append_section(out, {"p1", "T", content, {}, 0});
        append_item(out, {"t1", "x", content, false, 0});
        append_section(out, {"p2", "U", {}, {}, 0});
        const auto back = read_checklist(out, "a.md");
        ASSERT_EQ(back->size(), 2U) << out;
        EXPECT_EQ(back->at(0).content, content) << out;
        ASSERT_EQ(back->at(0).items.size(), 1U) << out;
        EXPECT_EQ(back->at(0).items[0].content, content) << out;
    }
    // Text between marks stays what it is where an underlined heading follows.
    std::string out;
    append_section(out, {"p1", "T", "# x\n\n  ", {}, 0});
    const auto back = read_checklist(out + "Next\n===\n", "a.md");
    ASSERT_EQ(back->size(), 2U);
    EXPECT_EQ(back->at(0).content, "# x\n\n  ");
}

TEST(Checklist, CodeIsNoChecklist) {
    const auto sections = read_checklist("# A\n```\n# not\n- [ ] not\n```\n- [ ] yes\n", "a.md");
    ASSERT_EQ(sections->size(), 1U);
    ASSERT_EQ((*sections)[0].items.size(), 1U);
}

TEST(Checklist, IdsAreTheSameEachTimeAndApartForRepeats) {
    const std::string text = "# A\n- [ ] x\n- [ ] x\n# A\n- [ ] x\n";
    const auto one = read_checklist(text, "a.md");
    const auto two = read_checklist(text, "a.md");
    EXPECT_EQ((*one)[0].items[1].id, (*two)[0].items[1].id);
    EXPECT_NE((*one)[0].items[0].id, (*one)[0].items[1].id);
    EXPECT_NE((*one)[0].id, (*one)[1].id);
    EXPECT_NE((*one)[0].id, (*read_checklist(text, "b.md"))[0].id);
}

TEST(Checklist, AHeadingAndAnItemMayHaveOneId) {
    ChecklistSection plan{
        "x", "A", " exact \n", {{"x", "one", "text", true}, {"y", "two", "", false}}};
    std::string text;
    append_section(text, plan);
    for (const ChecklistItem& item : plan.items) append_item(text, item);
    const auto sections = read_checklist(text, "a.md");
    ASSERT_EQ(sections->size(), 1U);
    EXPECT_EQ(sections->at(0).id, "x");
    EXPECT_EQ(sections->at(0).content, " exact \n");
    ASSERT_EQ(sections->at(0).items.size(), 2U);
    EXPECT_EQ(sections->at(0).items[0].id, "x");
    EXPECT_EQ(sections->at(0).items[0].content, "text");
    // Two items of one id stay apart.
    const auto twice =
        read_checklist("- [ ] a <!-- taskstore:x -->\n- [ ] b <!-- taskstore:x -->\n", "a.md");
    EXPECT_NE(twice->at(0).items[0].id, twice->at(0).items[1].id);
}

TEST(Checklist, FilesOfOneNameInTwoFoldersAreApart) {
    const std::string text = "# A\n- [ ] one\n";
    const auto top = read_checklist(text, "list.md");
    const auto a = read_checklist(text, "a/list.md");
    const auto b = read_checklist(text, "b.d/list");
    EXPECT_NE(top->at(0).id, a->at(0).id);
    EXPECT_NE(a->at(0).id, b->at(0).id);
    EXPECT_NE(a->at(0).items[0].id, b->at(0).items[0].id);
    EXPECT_EQ(top->at(0).id, read_checklist(text, "list.txt")->at(0).id);
    EXPECT_EQ(read_checklist("- [ ] x\n", "a.b/.hidden")->at(0).title, ".hidden");
    EXPECT_EQ(read_checklist("- [ ] x\n", "a/b\xff.md")->at(0).title, "b\uFFFD");
}

TEST(Checklist, ItemsWithoutAHeadingGoUnderTheFile) {
    EXPECT_EQ((*read_checklist("- [ ] x\n", "todo.md"))[0].title, "todo");
}

TEST(Checklist, ForeignBytesAreRefusedWithTheirPlace) {
    EXPECT_EQ(read_checklist("# \xff", "x.md").error().code, Code::invalid);
    EXPECT_EQ(read_checklist(std::string_view("a\0b", 3), "x.md").error().code, Code::invalid);
}

}  // namespace
}  // namespace taskstore::exchange
