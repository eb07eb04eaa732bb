// Event triggers of the user's that refuse, or change, what pgeist makes for itself: told before anything is done, by
// plan and by run, with the names of trigger and function, whether schema pgeist is there already or not.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

struct house_rule {
    std::string name;
    std::string event;
    std::string body;
};

void PrintTo(const house_rule& rule, std::ostream* out) { *out << rule.name; }

/// For each new table.
std::string for_each_table(const std::string& what) {
    return "FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP " + what +
           " END LOOP";
}

std::string refuse(const std::string& command) {
    return "IF tg_tag = '" + command + "' THEN RAISE EXCEPTION 'not here'; END IF";
}

const std::vector<house_rule> rules{
    {"new_owners", "ddl_command_end",
     for_each_table("EXECUTE format('ALTER TABLE %s OWNER TO @other@', r.object_identity);")},
    {"keys", "ddl_command_end",
     for_each_table("IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = r.objid AND contype = 'p') THEN RAISE "
                    "EXCEPTION 'a key is missing'; END IF;")},
    {"triggers", "ddl_command_end",
     for_each_table("EXECUTE format('CREATE TRIGGER audit AFTER INSERT ON %s EXECUTE FUNCTION public.audit()', "
                    "r.object_identity);")},
    {"no_schemas", "ddl_command_start", refuse("CREATE SCHEMA")},
    {"no_functions", "ddl_command_start", refuse("CREATE FUNCTION")},
    {"no_triggers", "ddl_command_end", refuse("CREATE TRIGGER")},
    {"no_comments", "ddl_command_end", refuse("COMMENT")},
    {"logs_by_name", "ddl_command_end", "INSERT INTO ddl_log VALUES (now())"},
};

class event_triggers : public run_test, public ::testing::WithParamInterface<house_rule> {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(50);
        sql().execute(
            "CREATE TABLE public.ddl_log (at timestamptz); CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE "
            "plpgsql AS 'BEGIN RETURN NULL; END'");
    }

    void make_rule() {
        std::string body = GetParam().body;
        if (const auto at = body.find("@other@"); at != std::string::npos) {
            body.replace(at, std::string("@other@").size(), db().create_role("other"));
        }
        sql().execute(
            "CREATE FUNCTION public.house_function() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE r record; "
            "BEGIN " +
            body + "; END $$; CREATE EVENT TRIGGER house_rule ON " + GetParam().event +
            " EXECUTE FUNCTION public.house_function()");
    }

    void expect_refused_by_name() {
        const table_state before = state_of();
        for (const char* name : {"plan", "run"}) {
            const run_result ended = command(name, {"--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
            EXPECT_TRUE(exited(ended, 3)) << name;
            EXPECT_TRUE(says(ended, {"house_function", "ALTER EVENT TRIGGER \"house_rule\" DISABLE"})) << name;
        }
        expect_unchanged(before);
    }
};

TEST_P(event_triggers, of_before_the_first_run) {
    make_rule();
    expect_refused_by_name();
    expect_nothing_left();
    expect_cleanup_leaves_nothing();
}

TEST_P(event_triggers, of_after_it) {
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    make_rule();
    expect_refused_by_name();
    if (GetParam().name == "logs_by_name") {  // of what is dropped, too
        const run_result ended = command("cleanup", {"--all"});
        EXPECT_TRUE(exited(ended, 1));
        EXPECT_TRUE(says(ended, {"house_function", "ALTER EVENT TRIGGER \"house_rule\" DISABLE"}));
        sql().execute("ALTER EVENT TRIGGER house_rule DISABLE");
    }
    expect_cleanup_leaves_nothing();
}

INSTANTIATE_TEST_SUITE_P(of_all_kinds, event_triggers, ::testing::ValuesIn(rules),
                         [](const auto& rule) { return rule.param.name; });

}  // namespace
}  // namespace pgeist::test
