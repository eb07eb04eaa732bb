// DDL of others on the table: while the run stands in its copy, and in the moment in which the swap gets its lock.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

/// What the DDL is done to.
constexpr const char* decorate =
    "CREATE INDEX by_note ON public.t (note); ALTER TABLE public.t ADD CONSTRAINT positive CHECK (id > 0); "
    "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
    "CREATE TRIGGER theirs BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.nothing()";

/// DDL of others while the run stands in its copy, held by a file: no chunk is open, nothing waits for the DDL.
class others_ddl : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            sql().execute(decorate);
            pause_file = std::filesystem::temp_directory_path() / ("pgeist-pause-" + db().name());
            std::ofstream(pause_file) << "\n";
        }
    }

    void TearDown() override {
        std::filesystem::remove(pause_file);
        run_test::TearDown();
    }

    void expect_noticed(const std::string& ddl, const std::string& said, bool kept = true) {
        pgeist_process running =
            start({"--alter", "ALTER COLUMN code TYPE bigint", "--pause-file", pause_file.string()});
        running.wait_for_phase("copy");
        sql().execute(ddl);
        // Nothing lets the copy go on: who ends it has looked.
        const run_result result = running.finish(30s);
        EXPECT_TRUE(exited(result, 1));
        EXPECT_TRUE(says(result, {said, "cleanup"}));
        if (kept) {
            EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
        }
        expect_cleanup_leaves_nothing();
    }

    std::filesystem::path pause_file;
};

TEST_F(others_ddl, a_column_is_added) { expect_noticed("ALTER TABLE public.t ADD extra int", "column extra (added)"); }
TEST_F(others_ddl, a_column_is_dropped) {
    expect_noticed("ALTER TABLE public.t DROP amount", "column amount (dropped)");
}
TEST_F(others_ddl, an_index_is_added) {
    expect_noticed("CREATE INDEX ON public.t (amount)", "index t_amount_idx (added)");
}
TEST_F(others_ddl, an_index_is_dropped) { expect_noticed("DROP INDEX public.by_note", "index by_note (dropped)"); }
TEST_F(others_ddl, a_constraint_is_added) {
    expect_noticed("ALTER TABLE public.t ADD CHECK (code >= 0)", "changed by someone");
}
TEST_F(others_ddl, a_constraint_is_dropped) {
    expect_noticed("ALTER TABLE public.t DROP CONSTRAINT positive", "constraint positive (dropped)");
}
TEST_F(others_ddl, a_trigger_is_added) {
    expect_noticed("CREATE TRIGGER another AFTER UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.nothing()",
                   "changed by someone");
}
TEST_F(others_ddl, a_trigger_is_dropped) {
    expect_noticed("DROP TRIGGER theirs ON public.t", "trigger theirs (dropped)");
}
TEST_F(others_ddl, a_right_is_granted) {
    expect_noticed("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC", "the rights on it");
}
TEST_F(others_ddl, a_right_on_a_column_is_granted) {
    expect_noticed("GRANT SELECT (note) ON public.t TO PUBLIC", "the rights on column note");
}
TEST_F(others_ddl, a_view_is_made_anew) {
    sql().execute("CREATE VIEW public.list AS SELECT id, note FROM public.t");
    expect_noticed("DROP VIEW public.list; CREATE VIEW public.list AS SELECT note, id FROM public.t",
                   "view list (changed)");
}
TEST_F(others_ddl, our_trigger_is_dropped) {
    expect_noticed("DROP TRIGGER pgeist_1_update ON public.t", "pgeist's triggers");
}
TEST_F(others_ddl, our_triggers_are_disabled) {
    expect_noticed("ALTER TABLE public.t DISABLE TRIGGER pgeist_1_delete", "pgeist's triggers");
}
// As a restore with --disable-triggers does: what was written in between is not in the log.
TEST_F(others_ddl, our_triggers_are_disabled_and_enabled_again) {
    expect_noticed("ALTER TABLE public.t DISABLE TRIGGER ALL; ALTER TABLE public.t ENABLE TRIGGER ALL",
                   "pgeist's triggers");
}
TEST_F(others_ddl, the_table_is_renamed) {
    expect_noticed("ALTER TABLE public.t RENAME TO elsewhere", "changed by someone", false);
}
TEST_F(others_ddl, the_table_is_dropped) { expect_noticed("DROP TABLE public.t", "dropped by someone", false); }
TEST_F(others_ddl, the_table_is_replaced) {
    expect_noticed("DROP TABLE public.t; CREATE TABLE public.t (id int PRIMARY KEY)", "dropped by someone", false);
}
TEST_F(others_ddl, the_tables_rows_are_rewritten_with_another_type) {
    expect_noticed("ALTER TABLE public.t ALTER amount TYPE double precision", "changed by someone");
}

TEST_F(others_ddl, rewriting_without_a_change_is_survived) {
    pgeist_process running = start({"--alter", "ALTER COLUMN code TYPE bigint", "--pause-file", pause_file.string()});
    running.wait_for_phase("copy");
    sql().execute("VACUUM FULL public.t");
    std::filesystem::remove(pause_file);
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
    expect_cleanup_leaves_nothing();
}

TEST_F(others_ddl, while_the_swap_is_postponed_it_is_noticed_too) {
    std::filesystem::remove(pause_file);
    pgeist_process running = start({"--alter", "ALTER COLUMN code TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("CREATE INDEX ON public.t (amount)");
    const run_result result = running.finish(30s);
    EXPECT_TRUE(exited(result, 1));
    EXPECT_EQ(type_of("code"), "integer");
    expect_cleanup_leaves_nothing();
}

// ---------------------------------------------------------------------------------------------------------------------

struct ddl_case {
    const char* name;
    const char* ddl;
    const char* said;
    const char* table = "public.t";  ///< where the table is afterwards; null: dropped
};

void PrintTo(const ddl_case& value, std::ostream* out) { *out << value.name; }

/// DDL that is committed while pgeist stands in the queue for the swap's lock: nobody can see it before pgeist has the
/// lock.
class queued_behind_ddl : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            sql().execute(decorate);
        }
    }

    /// Runs until it stands in the queue behind the DDL, which is then committed.
    run_result run_into(const std::string& ddl) {
        pgeist_process running =
            start({"--alter", "ALTER COLUMN code TYPE bigint", "--postpone-swap", "--lock-timeout", "2s"});
        running.wait_for_phase("swap");
        const std::string oid = sql().scalar("SELECT 'public.t'::regclass::oid");
        sync_connection other = db().connect();
        other.execute("BEGIN");
        other.execute(ddl);
        EXPECT_TRUE(exited(command("swap", {"1"}), 0));
        wait_for("pgeist in the queue for the lock", [&] {
            return sql().number("SELECT count(*) FROM pg_locks WHERE relation = $1 AND NOT granted", {oid}) == 1;
        });
        other.execute("COMMIT");
        return running.finish();
    }
};

class ddl_at_the_swap : public queued_behind_ddl, public ::testing::WithParamInterface<ddl_case> {};

TEST_P(ddl_at_the_swap, stops_it) {
    const ddl_case& one = GetParam();
    const run_result result = run_into(one.ddl);
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {one.said, "cleanup"}));
    EXPECT_TRUE(result.events("swap").empty()) << result.out;
    if (one.table != nullptr) {
        EXPECT_EQ(type_of("code", one.table), "integer");
        EXPECT_EQ(sql().number(std::string("SELECT count(*) FROM ") + one.table), 1000);
        sql().execute(std::string("UPDATE ") + one.table + " SET code = 0 WHERE id = 1");
    }
    expect_cleanup_leaves_nothing();
    if (one.table != nullptr) {
        EXPECT_EQ(sql().number(std::string("SELECT count(*) FROM ") + one.table), 1000);
    }
}

// A sequence is locked by a statement that names its owner.
TEST_F(queued_behind_ddl, another_owner_of_a_table_with_sequences_is_named) {
    const std::string heir = db().create_role("heir");
    sql().execute("CREATE SEQUENCE public.numbers OWNED BY public.t.code");
    const run_result result = run_into("ALTER TABLE public.t OWNER TO " + heir);
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone", "cleanup"}));
    expect_cleanup_leaves_nothing();
}

constexpr const char* changed = "changed by someone";
constexpr const char* uncaptured = "pgeist's triggers";

INSTANTIATE_TEST_SUITE_P(
    kinds, ddl_at_the_swap,
    ::testing::Values(
        ddl_case{"column_added", "ALTER TABLE public.t ADD extra int", changed},
        ddl_case{"column_dropped", "ALTER TABLE public.t DROP amount", changed},
        ddl_case{"column_renamed", "ALTER TABLE public.t RENAME note TO remark", changed},
        ddl_case{"default_changed", "ALTER TABLE public.t ALTER note SET DEFAULT 'x'", changed},
        ddl_case{"index_added", "CREATE INDEX ON public.t (amount)", changed},
        ddl_case{"index_dropped", "DROP INDEX public.by_note", changed},
        ddl_case{"constraint_added", "ALTER TABLE public.t ADD CHECK (code >= 0)", changed},
        ddl_case{"constraint_dropped", "ALTER TABLE public.t DROP CONSTRAINT positive", changed},
        ddl_case{"trigger_added",
                 "CREATE TRIGGER another AFTER UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.nothing()",
                 changed},
        ddl_case{"trigger_dropped", "DROP TRIGGER theirs ON public.t", changed},
        ddl_case{"trigger_disabled", "ALTER TABLE public.t DISABLE TRIGGER theirs", changed},
        ddl_case{"our_trigger_dropped", "DROP TRIGGER pgeist_1_update ON public.t", uncaptured},
        ddl_case{"our_trigger_disabled", "ALTER TABLE public.t DISABLE TRIGGER pgeist_1_delete", uncaptured},
        ddl_case{"our_trigger_by_origin", "ALTER TABLE public.t ENABLE TRIGGER pgeist_1_insert", uncaptured},
        ddl_case{"table_renamed", "ALTER TABLE public.t RENAME TO elsewhere", changed, "public.elsewhere"},
        ddl_case{"table_moved", "CREATE SCHEMA other; ALTER TABLE public.t SET SCHEMA other", changed, "other.t"},
        ddl_case{"table_dropped", "DROP TABLE public.t", "dropped by someone", nullptr},
        ddl_case{"table_replaced", "DROP TABLE public.t; CREATE TABLE public.t (id int PRIMARY KEY)",
                 "dropped by someone", nullptr},
        ddl_case{"rows_rewritten", "ALTER TABLE public.t ALTER amount TYPE double precision", changed}),
    [](const auto& one) { return std::string(one.param.name); });

// What a rewriting has done to the rows nobody knows, even if the definition is the same.
TEST_F(queued_behind_ddl, that_rewrites_without_a_change_it_compares_again) {
    const run_result result = run_into("ALTER TABLE public.t ALTER amount TYPE numeric USING amount + 0");
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"comparing every row"}));
    EXPECT_EQ(result.events("verify").size(), 2U) << result.out;
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
    expect_cleanup_leaves_nothing();
}

/// A right on a column, given in a transaction that is open when the swap comes: GRANT takes no lock on the table, and
/// what it commits afterwards would be a right on the old one.
class rights_in_an_open_transaction : public run_test {
protected:
    /// Gives it in `other`, has the swap stand before it, and ends that with `statement`.
    run_result swap_beside(const std::string& statement) {
        make_table(1000);
        auto other = db().connect();
        pgeist_process running = start({"--repack", "--postpone-swap"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        other.execute("BEGIN; GRANT SELECT (note) ON public.t TO PUBLIC");
        EXPECT_TRUE(exited(command("swap", {"1"}), 0));
        running.wait_for_event("who is in the way",
                               [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
        other.execute(statement);
        return running.finish();
    }
};

TEST_F(rights_in_an_open_transaction, are_waited_for_and_told_when_they_are_committed) {
    const run_result result = swap_beside("COMMIT");
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"GRANT SELECT (note)", "the rights on column note"}));
    expect_cleanup_leaves_nothing();
}

TEST_F(rights_in_an_open_transaction, are_waited_for_and_forgotten_when_they_are_taken_back) {
    EXPECT_TRUE(exited(swap_beside("ROLLBACK"), 0));
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
