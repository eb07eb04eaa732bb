// A step as it is stored and told.

#include "pgeist/steps/step.hpp"

#include <gtest/gtest.h>

#include <string>

#include <boost/json.hpp>

#include "pgeist/core/error.hpp"
#include "pgeist/steps/kept_in_step.hpp"

namespace pgeist::steps {
namespace {

step full_step() {
    step one;
    one.number = 2;
    one.statement = "ALTER TABLE t ADD CHECK (a > 0)";
    one.line = 7;
    one.table = "public.t";
    one.how = method::native;
    one.why = "what it works on is small";
    one.evidence = probe::evidence::tried;
    one.locks.push_back({"public.t", probe::lock_mode::access_exclusive, probe::relation_kind::table});
    one.scans.push_back("public.t");
    one.blocks_ms = 12;
    one.estimated_ms = 12;
    one.session.emplace_back("search_path", "app");
    action first;
    first.label = "adding it";
    first.statements = {"ALTER TABLE t ADD CHECK (a > 0)"};
    first.locks.push_back({{"public", "t"}, probe::lock_mode::access_exclusive, probe::relation_kind::table});
    first.bounded = true;
    first.undo = undoing::constraints;
    first.made.push_back({16384, 16385, 0, true});
    one.actions.push_back(first);
    step other = one;
    other.how = method::validate;
    other.actions.front().kind = action_kind::patient;
    one.otherwise.push_back(other);
    return one;
}

TEST(steps, are_read_as_they_were_stored) {
    const step before = full_step();
    const step after = step_from_json(to_json(before));
    EXPECT_EQ(to_json(after), to_json(before));
    EXPECT_EQ(after.actions, before.actions);
    EXPECT_EQ(after.locks, before.locks);
    EXPECT_EQ(after.session, before.session);
    ASSERT_EQ(after.otherwise.size(), 1U);
    EXPECT_EQ(after.otherwise.front().how, method::validate);
    EXPECT_EQ(after.otherwise.front().actions.front().kind, action_kind::patient);
}

TEST(steps, of_another_version_are_refused_by_name) {
    EXPECT_THROW(static_cast<void>(step_from_json("{\"how\":\"magic\"}")), error);
    EXPECT_THROW(static_cast<void>(step_from_json("[]")), error);
}

TEST(steps, are_told_as_the_contract_says) {
    const auto told = boost::json::parse(describe_json(full_step(), "started")).as_object();
    EXPECT_EQ(told.at("number"), 2);
    EXPECT_EQ(told.at("line"), 7);
    EXPECT_EQ(told.at("method"), "native");
    EXPECT_EQ(told.at("evidence"), "tried");
    EXPECT_EQ(told.at("state"), "started");
    EXPECT_EQ(told.at("locks").at(0).at("mode"), "ACCESS EXCLUSIVE");
    EXPECT_EQ(told.at("scans").at(0), "public.t");
    EXPECT_EQ(told.at("rewrites").as_array().size(), 0U);
    EXPECT_EQ(told.at("blocks_ms"), 12);
    step none;
    const auto bare = boost::json::parse(describe_json(none)).as_object();
    EXPECT_TRUE(bare.at("line").is_null());
    EXPECT_TRUE(bare.at("table").is_null());
    EXPECT_TRUE(bare.at("blocks_ms").is_null());
    EXPECT_FALSE(bare.contains("state"));
}

TEST(steps, have_methods_by_the_contracts_words) {
    for (const char* word :
         {"nothing", "native", "validate", "concurrently", "copy", "backfill", "reindex", "server"}) {
        EXPECT_EQ(word_of(method_of(word)), word);
    }
    EXPECT_THROW(static_cast<void>(method_of("magic")), std::invalid_argument);
}

TEST(kept_columns, are_not_changed_while_a_trigger_keeps_them_in_step) {
    kept_column note;
    note.job = 7;
    note.table = "public.t";
    note.trigger = "~pgeist_7_sync";
    note.name = "note";
    const std::vector<kept_column> kept{note};
    const auto breaks = [&](const std::string& sql, const std::string& table = "public.t") {
        return find_breach(ddl::understand(sql), table, kept).has_value();
    };
    for (const char* sql :
         {"ALTER TABLE t ADD COLUMN b int, DROP COLUMN note", "ALTER TABLE t RENAME COLUMN note TO n",
          "ALTER TABLE t RENAME note TO n", "ALTER TABLE t ALTER note TYPE varchar(3)",
          "ALTER TABLE t ALTER note SET DEFAULT 'x'", "ALTER TABLE t ALTER note DROP DEFAULT",
          "ALTER TABLE t DISABLE TRIGGER USER", "ALTER TABLE t DISABLE TRIGGER ALL",
          "ALTER TABLE t ENABLE REPLICA TRIGGER \"~pgeist_7_sync\"", "DROP TRIGGER \"~pgeist_7_sync\" ON t",
          "ALTER TRIGGER \"~pgeist_7_sync\" ON t RENAME TO a"}) {
        EXPECT_TRUE(breaks(sql)) << sql;
    }
    for (const char* sql :
         {"ALTER TABLE t DROP COLUMN other", "ALTER TABLE t RENAME COLUMN other TO o",
          "ALTER TABLE t ALTER note SET NOT NULL", "ALTER TABLE t ADD CHECK (note <> '')", "ALTER TABLE t RENAME TO u",
          "ALTER TABLE t SET SCHEMA s", "DROP TABLE t", "ALTER TABLE t DISABLE TRIGGER other",
          "ALTER TABLE t ENABLE ALWAYS TRIGGER \"~pgeist_7_sync\"", "ALTER TABLE t RENAME CONSTRAINT note TO n",
          "ALTER TABLE t DROP CONSTRAINT note"}) {
        EXPECT_FALSE(breaks(sql)) << sql;
    }
    EXPECT_FALSE(breaks("ALTER TABLE u DROP COLUMN note", "public.u"));
}

}  // namespace
}  // namespace pgeist::steps
