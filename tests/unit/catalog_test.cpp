// Texts that the server prints, and what is done with them without asking it again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/walkable.hpp"

namespace pgeist::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(catalog_fingerprint, names_what_a_row_is_about) {
    EXPECT_EQ(name_part("(column,3,id,23,-1"), "column id");
    EXPECT_EQ(name_part("(view,\"a, \"\"b\"\"\",2200"), "view \"a, \"\"b\"\"\"");
    EXPECT_EQ(name_part("(rights,,)"), "the rights on it (GRANT or REVOKE)");
    EXPECT_EQ(name_part("(column,3,........pg.dropped.3........,0"), "what depends on it");
    EXPECT_EQ(name_part("(something)"), "what depends on it");
}

TEST(catalog_fingerprint, tells_what_changed) {
    const std::vector<std::string> before{"column a\t1", "column b\t2", "view v\t3"};
    EXPECT_EQ(changed_parts(before, before), "");
    EXPECT_EQ(changed_parts(before, {"column a\t1", "column b\t4", "index i\t5", "what depends on it\t9"}),
              "column b (changed), index i (added), view v (dropped)");
    EXPECT_EQ(changed_parts(before, {"column a\t1", "column b\t2", "view v\t3", "what depends on it\t9"}),
              "what depends on it (added)");
}

TEST(catalog_retarget, replaces_the_table_only) {
    EXPECT_EQ(retarget("CREATE INDEX i ON app.t USING btree (a)", "app.t", "x.t"),
              "CREATE INDEX i ON x.t USING btree (a)");
    EXPECT_EQ(retarget("CREATE INDEX i ON ONLY app.t USING btree (a)", "app.t", "x.t"),
              "CREATE INDEX i ON ONLY x.t USING btree (a)");
    EXPECT_EQ(retarget("CREATE TRIGGER t AFTER INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION f(' ON app.t ')", "app.t",
                       "x.t"),
              "CREATE TRIGGER t AFTER INSERT ON x.t FOR EACH ROW EXECUTE FUNCTION f(' ON app.t ')");
}

TEST(catalog_retarget, knows_what_rules_are_made_to) {
    EXPECT_EQ(retarget("CREATE RULE r AS\n    ON DELETE TO app.t DO  INSERT INTO app.t", "app.t", "x.t", "TO"),
              "CREATE RULE r AS\n    ON DELETE TO x.t DO  INSERT INTO app.t");
    EXPECT_EQ(retarget("CREATE RULE r AS\n    ON DELETE TO app.t\n   WHERE (1 = 2) DO NOTHING", "app.t", "x.t", "TO"),
              "CREATE RULE r AS\n    ON DELETE TO x.t\n   WHERE (1 = 2) DO NOTHING");
}

TEST(catalog_retarget, is_not_fooled_by_names) {
    EXPECT_EQ(retarget("CREATE INDEX \"a ON app.t USING\" ON app.t USING btree (a)", "app.t", "x.t"),
              "CREATE INDEX \"a ON app.t USING\" ON x.t USING btree (a)");
    EXPECT_EQ(retarget("CREATE INDEX \"q\"\" ON app.t \" ON app.t USING btree (a)", "app.t", "x.t"),
              "CREATE INDEX \"q\"\" ON app.t \" ON x.t USING btree (a)");
    EXPECT_EQ(retarget("CREATE INDEX i ON app.t_old USING btree (a)", "app.t", "x.t"),
              "CREATE INDEX i ON app.t_old USING btree (a)");
    EXPECT_EQ(retarget("CREATE INDEX i ON \"A p\".\"T\" USING btree (a)", "\"A p\".\"T\"", "x.t"),
              "CREATE INDEX i ON x.t USING btree (a)");
}

TEST(catalog_retarget, replaces_every_mention_of_a_relation) {
    EXPECT_EQ(replace_relation("(EXISTS ( SELECT 1 FROM app.t t_1 WHERE (t_1.a = app.t.a)))", "app.t", "x.y"),
              "(EXISTS ( SELECT 1 FROM x.y t_1 WHERE (t_1.a = x.y.a)))");
    EXPECT_EQ(replace_relation("SELECT FROM app.t_old, myapp.t, app.t", "app.t", "x.y"),
              "SELECT FROM app.t_old, myapp.t, x.y");
    EXPECT_EQ(replace_relation("('app.t'::text = \"app.t\")", "app.t", "x.y"), "('app.t'::text = \"app.t\")");
    EXPECT_EQ(replace_relation("FROM \"A p\".\"T\" \"T_1\"", "\"A p\".\"T\"", "x.y"), "FROM x.y \"T_1\"");
}

table sample() {
    table of;
    of.name = qualified_name{"app", "t"};
    of.printed_name = "app.t";
    of.owner = "alice";
    column id;
    id.attnum = 1;
    id.name = "id";
    id.type = "integer";
    id.not_null = true;
    column note;
    note.attnum = 3;
    note.name = "note";
    note.type = "text";
    of.columns = {id, note};
    index key;
    key.name = "t_pkey";
    key.definition = "CREATE UNIQUE INDEX t_pkey ON app.t USING btree (id)";
    key.method = "btree";
    key.unique = true;
    index_column part;
    part.attnum = 1;
    key.columns = {part};
    of.indexes = {key};
    return of;
}

TEST(catalog_definition, is_the_same_for_a_copy_elsewhere) {
    const table of = sample();
    table copy = of;
    copy.name.schema = "pgeist_1";
    copy.printed_name = "pgeist_1.t";
    copy.oid = 99;
    copy.columns[1].attnum = 2;  // the source had a dropped column in between
    copy.indexes[0].definition = "CREATE UNIQUE INDEX t_pkey ON pgeist_1.t USING btree (id)";
    copy.indexes[0].bytes = 8192;
    EXPECT_EQ(definition(of), definition(copy));
}

TEST(catalog_definition, names_what_differs) {
    const table of = sample();
    table changed = of;
    changed.columns[0].type = "bigint";
    changed.comment = "new";
    const auto lines = missing_properties(definition(of), definition(changed));
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_THAT(lines[0], HasSubstr("column id: number 1, integer not null"));
    EXPECT_THAT(lines[0], HasSubstr("found: number 1, bigint"));
    EXPECT_THAT(missing_properties(definition(changed), definition(of)),
                ElementsAre(HasSubstr("column id"), HasSubstr("comment on the table: new (found: nothing)")));
    EXPECT_THAT(missing_properties(definition(of), definition(of)), IsEmpty());
}

TEST(catalog_definition, leaves_out_invalid_indexes) {
    table of = sample();
    const auto without = definition(of);
    of.indexes.push_back(of.indexes[0]);
    of.indexes.back().name = "broken";
    of.indexes.back().valid = false;
    EXPECT_EQ(definition(of), without);
}

TEST(catalog_walkable, wants_a_unique_btree_over_columns_that_are_never_null) {
    table of = sample();
    EXPECT_EQ(not_walkable_reason(of, of.indexes[0]), "");
    index each = of.indexes[0];
    each.unique = false;
    EXPECT_NE(not_walkable_reason(of, each), "");
    each = of.indexes[0];
    each.valid = false;
    EXPECT_NE(not_walkable_reason(of, each), "");
    each = of.indexes[0];
    each.method = "gist";
    EXPECT_NE(not_walkable_reason(of, each), "");
    each = of.indexes[0];
    each.predicate = "(id > 0)";
    EXPECT_NE(not_walkable_reason(of, each), "");
    each = of.indexes[0];
    each.columns[0].attnum = 0;
    EXPECT_NE(not_walkable_reason(of, each), "");
    each = of.indexes[0];
    each.columns[0].attnum = 3;
    EXPECT_THAT(not_walkable_reason(of, each), HasSubstr("note"));
    each.columns[0].included = true;
    EXPECT_EQ(not_walkable_reason(of, each), "");
}

}  // namespace
}  // namespace pgeist::catalog
