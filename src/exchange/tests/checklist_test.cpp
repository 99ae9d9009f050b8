#include <taskstore/exchange/checklist.hpp>

#include <gtest/gtest.h>

namespace taskstore::exchange {
namespace {

TEST(Checklist, HeadingsBecomeSectionsAndItemsTheirSteps) {
    const auto sections = read_checklist(
        "# Plan\n\nwhy\n\n- [ ] one\n  more\n* [x] two\n\n## Later #\n1. [X] three\n\n# Empty\n",
        "plan.md");
    ASSERT_TRUE(sections);
    ASSERT_EQ(sections->size(), 2U);
    EXPECT_EQ((*sections)[0].title, "Plan");
    EXPECT_EQ((*sections)[0].content, "why");
    EXPECT_EQ((*sections)[0].items[0].content, "  more");
    EXPECT_TRUE((*sections)[0].items[1].checked);
    EXPECT_EQ((*sections)[1].title, "Later");
    EXPECT_TRUE((*sections)[1].items[0].checked);
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
