// What the texts of --alter, --file and --set say, read without a server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/plan/alter.hpp"

namespace pgeist::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<alter_statement> parse(const std::vector<std::string>& texts) {
    qualified_name table{"public", "orders"};
    return parse_alters(texts, table);
}

std::vector<std::string> texts_of(const alter_statement& statement) {
    std::vector<std::string> texts;
    for (const auto& each : statement.clauses) {
        texts.push_back(each.text);
    }
    return texts;
}

clause only_clause(const std::string& text) {
    const auto statements = parse({text});
    EXPECT_EQ(statements.size(), 1U);
    EXPECT_EQ(statements.at(0).clauses.size(), 1U);
    return statements.at(0).clauses.at(0);
}

std::string refusal(const std::string& text) {
    try {
        parse({text});
    } catch (const error& refused) {
        EXPECT_EQ(refused.code(), exit_code::refused);
        return refused.what();
    }
    ADD_FAILURE() << "not refused: " << text;
    return "";
}

TEST(plan_alter, splits_at_commas_outside_parentheses) {
    const auto statements = parse(
        {"ALTER id TYPE numeric(10,2), ADD CHECK (a IN (1,2)), ADD COLUMN x text DEFAULT 'a,b', ALTER y SET DEFAULT "
         "ARRAY[1,2], ADD COLUMN \"odd, name\" int -- a, comment\n"});
    ASSERT_EQ(statements.size(), 1U);
    EXPECT_THAT(texts_of(statements[0]),
                ElementsAre("ALTER id TYPE numeric(10,2)", "ADD CHECK (a IN (1,2))", "ADD COLUMN x text DEFAULT 'a,b'",
                            "ALTER y SET DEFAULT ARRAY[1,2]", "ADD COLUMN \"odd, name\" int"));
}

TEST(plan_alter, puts_renames_into_statements_of_their_own) {
    const auto statements = parse({"ALTER id TYPE bigint, RENAME COLUMN a TO b, DROP c, RENAME CONSTRAINT x TO y"});
    ASSERT_EQ(statements.size(), 4U);
    EXPECT_EQ(statements[1].clauses.at(0).kind, clause_kind::rename_column);
    EXPECT_EQ(statements[1].clauses.at(0).column, "a");
    EXPECT_EQ(statements[1].clauses.at(0).new_name, "b");
    EXPECT_EQ(statements[2].clauses.at(0).kind, clause_kind::drop_column);
    EXPECT_EQ(statements[3].clauses.at(0).kind, clause_kind::rename_constraint);
    EXPECT_EQ(statements[3].clauses.at(0).constraint, "x");
}

TEST(plan_alter, takes_whole_statements_of_the_same_table) {
    for (const char* head :
         {"ALTER TABLE public.orders ", "alter table if exists only orders ", "ALTER TABLE \"orders\"* "}) {
        EXPECT_EQ(only_clause(head + std::string("ADD COLUMN x int;")).text, "ADD COLUMN x int") << head;
    }
    EXPECT_THAT(refusal("ALTER TABLE other.orders ADD COLUMN x int"), HasSubstr("other.orders"));
    EXPECT_THAT(refusal("ALTER TABLE \"Orders\" ADD COLUMN x int"), HasSubstr("Orders"));
}

TEST(plan_alter, takes_the_table_from_the_statement_when_none_is_given) {
    qualified_name table;
    (void)parse_alters({"ALTER TABLE app.\"My Table\" DROP COLUMN a"}, table);
    EXPECT_EQ(table, (qualified_name{"app", "My Table"}));
}

TEST(plan_alter, reads_a_change_of_type) {
    const clause plain = only_clause("ALTER COLUMN id SET DATA TYPE character varying(20) COLLATE \"C\"");
    EXPECT_EQ(plain.kind, clause_kind::alter_type);
    EXPECT_EQ(plain.column, "id");
    EXPECT_EQ(plain.type, "character varying(20)");
    EXPECT_FALSE(plain.using_expression);
    const clause converted = only_clause("alter \"Id\" type bigint using (\"Id\"::text || '1')::bigint + 1");
    EXPECT_EQ(converted.column, "Id");
    EXPECT_EQ(converted.type, "bigint");
    EXPECT_EQ(converted.using_expression, "(\"Id\"::text || '1')::bigint + 1");
}

TEST(plan_alter, reads_a_using_that_is_newer_than_the_parser) {
    const clause newer = only_clause("ALTER COLUMN doc TYPE int USING JSON_VALUE(doc, '$.n' RETURNING int)");
    EXPECT_EQ(newer.kind, clause_kind::alter_type);
    EXPECT_EQ(newer.using_expression, "JSON_VALUE(doc, '$.n' RETURNING int)");
}

TEST(plan_alter, leaves_syntax_it_does_not_know_to_the_server) {
    EXPECT_EQ(only_clause("ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED").kind, clause_kind::unknown);
    EXPECT_EQ(only_clause("ALTER COLUMN a FROBNICATE").kind, clause_kind::unknown);
}

TEST(plan_alter, finds_the_table_of_each_reference) {
    const clause table =
        only_clause("ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES app.\"Other T\" (id) ON DELETE CASCADE");
    ASSERT_EQ(table.references.size(), 1U);
    EXPECT_EQ(table.references[0].table, (qualified_name{"app", "Other T"}));
    EXPECT_EQ(table.text.substr(table.references[0].begin, table.references[0].end - table.references[0].begin),
              "app.\"Other T\"");
    EXPECT_EQ(table.kind, clause_kind::add_constraint);
    EXPECT_EQ(table.constraint, "f");
    const clause column = only_clause("ADD COLUMN x int NOT NULL REFERENCES items CHECK (x > 0)");
    ASSERT_EQ(column.references.size(), 1U);
    EXPECT_EQ(column.references[0].table, (qualified_name{"", "items"}));
    EXPECT_EQ(column.text.substr(column.references[0].begin, column.references[0].end - column.references[0].begin),
              "items");
}

TEST(plan_alter, reads_an_added_column) {
    const clause column = only_clause("ADD COLUMN IF NOT EXISTS price numeric(10, 2) COLLATE \"C\" NOT NULL DEFAULT 1");
    EXPECT_EQ(column.kind, clause_kind::add_column);
    EXPECT_EQ(column.column, "price");
    EXPECT_EQ(column.type, "numeric(10, 2) COLLATE \"C\"");
    EXPECT_TRUE(column.if_exists);
}

TEST(plan_alter, refuses_by_name_what_is_not_done_online) {
    EXPECT_THAT(refusal("RENAME TO other"), HasSubstr("RENAME TO other"));
    EXPECT_THAT(refusal("SET SCHEMA other"), HasSubstr("SET SCHEMA other"));
    EXPECT_THAT(refusal("ATTACH PARTITION p DEFAULT"), HasSubstr("ATTACH PARTITION"));
    EXPECT_THAT(refusal("DETACH PARTITION p"), HasSubstr("DETACH PARTITION"));
    EXPECT_THAT(refusal("INHERIT parent"), HasSubstr("INHERIT parent"));
    EXPECT_THAT(refusal("NO INHERIT parent"), HasSubstr("NO INHERIT parent"));
    EXPECT_THAT(refusal("OF some_type"), HasSubstr("OF some_type"));
}

TEST(plan_alter, refuses_other_statements) {
    EXPECT_THAT(refusal("CREATE INDEX ON orders (a)"), HasSubstr("not an ALTER TABLE"));
    EXPECT_THAT(refusal("DROP TABLE orders"), HasSubstr("not an ALTER TABLE"));
    EXPECT_THAT(refusal("ALTER INDEX i RENAME TO j"), HasSubstr("not an ALTER TABLE"));
    EXPECT_THAT(refusal("ADD COLUMN a int; DELETE FROM orders"), HasSubstr("not an ALTER TABLE"));
}

TEST(plan_alter, refuses_what_cannot_be_read) {
    EXPECT_THAT(refusal("ADD COLUMN x text DEFAULT 'open"), HasSubstr("unterminated"));
    EXPECT_THAT(refusal("ADD COLUMN x int, , DROP COLUMN y"), HasSubstr("empty clause"));
    refusal("");
    refusal(" ; -- nothing\n");
}

TEST(plan_alter, writes_the_statement_back) {
    const auto statements = parse({"ADD COLUMN a int, DROP COLUMN b"});
    EXPECT_EQ(alter_sql("\"s\".\"t\"", statements.at(0)), "ALTER TABLE \"s\".\"t\" ADD COLUMN a int\n, DROP COLUMN b");
}

TEST(plan_statements, are_split_at_semicolons_outside_strings) {
    EXPECT_THAT(split_statements("-- one\nALTER TABLE a ADD b text DEFAULT ';'; /* ; */\nALTER TABLE a DROP c ; ;"),
                ElementsAre("ALTER TABLE a ADD b text DEFAULT ';'", "ALTER TABLE a DROP c"));
    EXPECT_TRUE(split_statements(" \n-- nothing").empty());
}

TEST(plan_assignment, is_column_and_expression) {
    EXPECT_EQ(parse_assignment("Total = price * (1 + tax) ").column, "total");
    EXPECT_EQ(parse_assignment("Total = price * (1 + tax) ").expression, "price * (1 + tax)");
    EXPECT_EQ(parse_assignment("\"Odd = name\"='x=y'").column, "Odd = name");
    EXPECT_EQ(parse_assignment("\"Odd = name\"='x=y'").expression, "'x=y'");
    for (const char* wrong : {"total", "= 1", "total =", "1 = 2", "a.b = 3"}) {
        EXPECT_THROW((void)parse_assignment(wrong), usage_error) << wrong;
    }
}

TEST(plan_literal, is_told_from_an_expression) {
    EXPECT_TRUE(is_bare_literal("'x'"));
    EXPECT_TRUE(is_bare_literal("((NULL))"));
    EXPECT_FALSE(is_bare_literal("'x' || 'y'"));
    EXPECT_FALSE(is_bare_literal("\"null\""));
    EXPECT_FALSE(is_bare_literal("5"));
}

}  // namespace
}  // namespace pgeist::plan
