#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pgeist/plan/blueprint.hpp"
#include "pgeist/transfer/image.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/transfer/way_back.hpp"

namespace pgeist::transfer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// An old table (id int, name varchar(10), secret text) and what a change has made of it.
class way_back_plan : public testing::Test {
protected:
    way_back_plan() {
        old_table_.name = {"public", "t"};
        new_table_.name = {"public", "t"};
        catalog::index key;
        key.name = "t_pkey";
        key.unique = key.primary = true;
        key.columns.emplace_back();
        new_table_.indexes.push_back(key);
        walk::key_column part;
        part.read_name = "id";
        part.write_name = "id";
        part.type = "integer";
        key_.index = "t_pkey";
        key_.columns.push_back(part);
    }

    catalog::column& old_column(const std::string& name, const std::string& type) {
        catalog::column column;
        column.attnum = static_cast<int>(old_table_.columns.size()) + 1;
        column.name = name;
        column.type = type;
        old_table_.columns.push_back(column);
        return old_table_.columns.back();
    }

    /// From an old column, as it is where `expression` is empty; or added.
    column& new_column(const std::string& name, const std::string& type, const std::string& from,
                       const std::string& expression = "") {
        catalog::column made;
        made.attnum = static_cast<int>(new_table_.columns.size()) + 1;
        made.name = name;
        made.type = type;
        new_table_.columns.push_back(made);
        column forth;
        forth.name = name;
        forth.type = type;
        if (!from.empty()) {
            forth.read_name = from;
            forth.expression = expression.empty() ? quote_identifier(from) : expression;
        }
        columns_.push_back(forth);
        return columns_.back();
    }

    [[nodiscard]] way_back planned() const {
        return plan_way_back({old_table_, new_table_, columns_, key_, index_, sets_, assignable_, computed_from_});
    }

    catalog::table old_table_;
    catalog::table new_table_;
    std::vector<column> columns_;
    walk::key key_;
    std::string index_ = "t_pkey";
    std::map<std::string, back_set> sets_;
    std::set<std::string> assignable_;
    std::map<std::string, std::set<std::string>> computed_from_;
};

TEST_F(way_back_plan, AWiderKeyAndAnAddedColumnNeedNothingKept) {
    old_column("id", "integer");
    old_column("name", "text");
    new_column("id", "bigint", "id");
    new_column("title", "text", "name");
    new_column("extra", "text", "");
    assignable_ = {"id"};
    const way_back back = planned();
    EXPECT_THAT(back.refusals, IsEmpty());
    EXPECT_EQ(back.mode, replay_mode::replace);
    ASSERT_EQ(back.columns.size(), 2);
    EXPECT_EQ(back.columns[0].expression, "\"id\"");
    EXPECT_EQ(back.columns[0].inverse, "\"id\"");
    EXPECT_EQ(back.columns[0].read_type, "bigint");
    EXPECT_EQ(back.columns[1].expression, "\"title\"");
    EXPECT_EQ(back.columns[1].inverse, std::nullopt);
    EXPECT_THAT(back.added, ElementsAre("extra"));
    ASSERT_EQ(back.key.columns.size(), 1);
    EXPECT_EQ(back.key.columns[0].type, "bigint");
    EXPECT_THAT(describe(back), ElementsAre(HasSubstr("replaced"), HasSubstr("where it fits"),
                                            "name ← title: unchanged", HasSubstr("extra: not in the old table")));
}

TEST_F(way_back_plan, ADroppedColumnIsKept) {
    old_column("id", "integer");
    old_column("secret", "text").default_expression = "'none'::text";
    new_column("id", "integer", "id");
    const way_back back = planned();
    EXPECT_THAT(back.refusals, IsEmpty());
    EXPECT_EQ(back.mode, replay_mode::keep);
    EXPECT_TRUE(back.columns[1].kept);
    EXPECT_FALSE(back.columns[1].compared);
    EXPECT_EQ(back.columns[1].expression, std::nullopt) << "so that the server's own default is used";
}

TEST_F(way_back_plan, ADroppedNotNullColumnNeedsAValue) {
    old_column("id", "integer");
    old_column("role", "text").not_null = true;
    new_column("id", "integer", "id");
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("--back-set \"role = EXPRESSION")));
    sets_["role"] = {"'guest'", "role = 'guest'"};
    EXPECT_THAT(planned().refusals, IsEmpty());
    EXPECT_EQ(planned().columns[1].expression, "'guest'");
    sets_.clear();
    old_table_.columns[1].identity = 'd';
    EXPECT_THAT(planned().refusals, IsEmpty());
}

TEST_F(way_back_plan, AConversionIsProvenAndOneWithoutAWayBackRefused) {
    old_column("id", "integer");
    old_column("price", "numeric(8,2)");
    new_column("id", "integer", "id");
    new_column("price", "text", "price", "concat(price, ' EUR')");
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("column price")));
    assignable_ = {"price"};
    way_back back = planned();
    EXPECT_THAT(back.refusals, IsEmpty());
    EXPECT_TRUE(back.columns[1].proven);
    EXPECT_EQ(back.columns[1].inverse, "concat(price, ' EUR')");
    columns_[1].compared = false;  // volatile
    back = planned();
    EXPECT_EQ(back.columns[1].inverse, std::nullopt) << "what it gave once says nothing";
    EXPECT_FALSE(back.columns[1].proven);
    columns_[1].compared = true;
    sets_["price"] = {"0", "price = 0"};
    assignable_.clear();
    back = planned();
    EXPECT_THAT(back.refusals, IsEmpty());
    EXPECT_FALSE(back.columns[1].proven);
    EXPECT_TRUE(back.columns[1].inverse.has_value());
}

// What is too long for a varchar(n) only by blanks is cut when it is assigned.
TEST_F(way_back_plan, LongerTextsAreNoExactWidening) {
    old_column("id", "integer");
    old_column("name", "character varying(10)");
    new_column("id", "integer", "id");
    new_column("name", "text", "name");
    assignable_ = {"name"};
    EXPECT_EQ(planned().mode, replay_mode::keep);
    EXPECT_TRUE(planned().columns[1].proven);
}

TEST_F(way_back_plan, KeysThatCannotBeWalkedBackAreRefused) {
    old_column("id", "integer");
    new_column("id", "integer", "id");
    new_table_.indexes[0].immediate = false;
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("deferrable")));
    new_table_.indexes[0].immediate = true;
    index_.clear();
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("no index of its own")));
    key_.carried = true;
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("does not keep its order")));
}

TEST_F(way_back_plan, AnUnknownColumnIsRefused) {
    old_column("id", "integer");
    new_column("id", "integer", "id");
    sets_["nmae"] = {"1", "nmae = 1"};
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("has no column nmae")));
}

TEST_F(way_back_plan, TurnedItKeepsWhatTheNewTableHas) {
    old_column("id", "integer");
    old_column("price", "numeric(8,2)");
    old_column("gone", "text");
    new_column("id", "bigint", "id");
    new_column("price", "integer", "price");
    new_column("extra", "text", "");
    assignable_ = {"id", "price"};
    const way_back back = planned();
    const spec forth =
        turned(as_spec(back, {{"public", "t"}, 2}, {{"pgeist_1", "t"}, 1}, "back", false), columns_, key_);
    EXPECT_EQ(forth.read.oid, 1);
    EXPECT_EQ(forth.write.oid, 2);
    EXPECT_EQ(forth.mode, replay_mode::keep);
    EXPECT_TRUE(forth.sets_apart);
    EXPECT_EQ(forth.columns[1].inverse, "\"price\"");
    EXPECT_EQ(forth.columns[1].read_type, "numeric(8,2)");
    EXPECT_TRUE(forth.columns[2].kept);
    EXPECT_EQ(forth.key.columns[0].type, "integer");
    const spec again = plan::transfer_from_json(plan::to_json(forth));
    EXPECT_EQ(again.columns[1].inverse, "\"price\"");
    EXPECT_EQ(again.mode, replay_mode::keep);
    EXPECT_EQ(again.write.name.sql(), forth.write.name.sql());
}

TEST_F(way_back_plan, OnlyWhereSomethingIsLostTouchesAreLogged) {
    old_column("id", "integer");
    old_column("name", "text");
    old_column("price", "numeric(8,2)");
    old_column("gone", "text");
    new_column("id", "bigint", "id");
    new_column("title", "text", "name");
    new_column("price", "integer", "price");
    assignable_ = {"id", "price"};
    const way_back back = planned();
    EXPECT_THAT(back.columns[0].watched, IsEmpty()) << "what an integer loses by becoming a bigint";
    EXPECT_THAT(back.columns[1].watched, IsEmpty());
    ASSERT_EQ(back.columns[2].watched.size(), 1);
    EXPECT_EQ(back.columns[2].watched[0].type, "integer");
    EXPECT_FALSE(back.columns[2].remembered) << "its value follows from itself";
    EXPECT_FALSE(back.columns[3].remembered) << "its default follows from nothing";
    const spec there = as_spec(back, {}, {}, "back", false);
    EXPECT_TRUE(logs_touched(there));
    EXPECT_EQ(none_touched(there), "B'00'");
    EXPECT_EQ(all_touched(there), "B'01'");
    EXPECT_EQ(unknown_touched(there), "B'10'");
    EXPECT_EQ(touches(there), R"(OLD."price" IS DISTINCT FROM NEW."price")");
    const spec again = plan::transfer_from_json(plan::to_json(there));
    EXPECT_EQ(touched_by_change(again), touched_by_change(there));
}

TEST_F(way_back_plan, WhatIsComputedFromOthersIsRememberedAndMadeAgainByThem) {
    old_column("id", "integer");
    old_column("price", "integer");
    old_column("total", "integer");
    new_column("id", "integer", "id");
    new_column("price", "integer", "price");
    new_column("total", "integer", "total", R"("price" * 2)");
    computed_from_["total"] = {"price"};
    const way_back back = planned();
    EXPECT_THAT(back.refusals, IsEmpty());
    EXPECT_TRUE(back.columns[2].remembered);
    const spec first = as_spec(back, {}, {}, "back", false);
    EXPECT_TRUE(is_held(first.columns[2]));
    const spec forth = turned(first, columns_, key_);
    ASSERT_EQ(forth.columns[2].watched.size(), 2);
    EXPECT_EQ(forth.columns[2].watched[0].name, "price");
    EXPECT_EQ(forth.columns[2].watched[1].name, "total");
    EXPECT_TRUE(forth.columns[2].compared);
    EXPECT_TRUE(is_held(forth.columns[2]));
    EXPECT_THAT(take_over_sql(first, forth), HasSubstr("right(x.held[1], 32) || left(x.held[1], 32)"));
    EXPECT_THAT(take_over_sql(forth, first), HasSubstr("right(x.held[1], 32) || left(x.held[1], 32)"));
    EXPECT_TRUE(forth.columns[1].compared);
    new_table_.columns[2].type = columns_[2].type = "text";
    assignable_ = {"total"};
    EXPECT_THAT(planned().refusals, ElementsAre(HasSubstr("reads other columns")));
}

TEST_F(way_back_plan, WhatIsComputedFromADroppedOneIsMadeAgainByIt) {
    old_column("id", "integer");
    old_column("price", "integer");
    old_column("rate", "integer");
    new_column("id", "integer", "id");
    new_column("price", "integer", "price", R"("price" * "rate")");
    computed_from_["price"] = {"price", "rate"};
    const way_back back = planned();
    EXPECT_THAT(back.refusals, IsEmpty());
    EXPECT_FALSE(back.columns[1].remembered) << "the old rate stays as it was";
    const spec forth = turned(as_spec(back, {}, {}, "back", false), columns_, key_);
    ASSERT_EQ(forth.columns[1].watched.size(), 2);
    EXPECT_EQ(forth.columns[1].watched[1].name, "rate");
    EXPECT_TRUE(forth.columns[1].compared);
    EXPECT_FALSE(is_held(forth.columns[1])) << "both sides tell, as long as neither is touched";
}

TEST(Image, TypesWithoutALengthOfTheirOwn) {
    EXPECT_EQ(loose_type("character varying(3)"), "character varying");
    EXPECT_EQ(loose_type("character(3)"), "pg_catalog.bpchar");
    EXPECT_EQ(loose_type("character(3)[]"), "pg_catalog.bpchar[]");
    EXPECT_EQ(loose_type("bit(3)"), "pg_catalog.\"bit\"");
    EXPECT_EQ(loose_type("bit varying(3)"), "bit varying");
    EXPECT_EQ(loose_type("numeric(8,2)"), "numeric");
    EXPECT_EQ(loose_type("timestamp(3) without time zone"), "timestamp without time zone");
}

// On the way there once more a value comes from a column that is generated by then: there is nothing to be asked back.
TEST_F(way_back_plan, ProvesNothingByAColumnThatIsGenerated) {
    old_column("id", "integer");
    old_column("twice", "integer").generated = 's';
    new_column("id", "integer", "id");
    new_column("twice", "integer", "twice");
    const spec there = turned(as_spec(planned(), {}, {}, "back", false), columns_, key_);
    for (const column& each : there.columns) {
        EXPECT_TRUE(!each.proven || each.inverse) << each.name;
    }
    EXPECT_TRUE(there.columns.at(1).compared);
}

}  // namespace
}  // namespace pgeist::transfer
