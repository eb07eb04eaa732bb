// Jobs that an earlier version has begun, resumed by this one.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

class earlier_version : public run_test {
protected:
    /// public.t with what earlier versions saw otherwise: a mark of CLUSTER, rights on it and on a column.
    void make() {
        make_table(500);
        const std::string reader = db().create_role("reader");
        sql().execute(
            "CREATE INDEX by_code ON public.t (code); ALTER TABLE public.t CLUSTER ON by_code; GRANT SELECT ON "
            "public.t TO " +
            reader + "; GRANT UPDATE (note) ON public.t TO " + reader +
            "; CREATE VIEW public.few AS SELECT id FROM public.t WHERE id < 10");
    }

    /// How version 0.1.0 told definitions apart.
    std::string fingerprint() {
        std::ifstream file(std::string(PGEIST_SOURCE_DIR) + "/tests/e2e/earlier_fingerprint.sql");
        std::ostringstream text;
        text << file.rdbuf();
        const int major = sql().server_major();
        std::string query = text.str();
        for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
                 {"{nulls_not_distinct}", major >= 15 ? "i.indnullsnotdistinct" : "false"},
                 {"{enforced}", major >= 18 ? "conenforced" : "true"},
                 {"{set_columns}", major >= 15 ? "confdelsetcols" : "NULL"},
                 {"{publication}", major >= 15 ? "prqual, prattrs" : "NULL"}}) {
            query.replace(query.find(name), name.size(), value);
        }
        return sql().scalar(query, {sql().scalar("SELECT 'public.t'::regclass::oid")});
    }

    /// A job all of which is done but the swap, as that version left it.
    void leave_job() {
        const std::string then = fingerprint();
        pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
        running.wait_for_phase("swap");
        running.kill_hard();
        wait_for_job_state(db().uri(), "interrupted");
        sql().query(
            "UPDATE pgeist.jobs SET blueprint = blueprint - 'fingerprint_parts' - 'clustered_on' - 'same_operators' || "
            "jsonb_build_object('fingerprint', $1::text)",
            {then});
    }
};

TEST_F(earlier_version, of_a_table_with_a_mark_of_cluster_is_resumed) {
    make();
    leave_job();
    const std::string digest = table_digest(sql(), "public.t");
    pgeist_process running(db().uri(), {"resume", "1"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(table_digest(sql(), "public.t"), digest);
    EXPECT_EQ(sql().scalar("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'public.t'::regclass AND "
                           "indisclustered"),
              "by_code");
    expect_cleanup_leaves_nothing();
}

TEST_F(earlier_version, of_a_table_that_was_changed_is_not_resumed) {
    make();
    leave_job();
    sql().execute("ALTER TABLE public.t ALTER COLUMN note SET DEFAULT 'x'");
    const run_result result = command("resume", {"1"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone"}));
    expect_cleanup_leaves_nothing();
}

// As the version before last wrote schema pgeist: no kind of work, and the swap as eight lists.
constexpr const char* as_version_3 = R"sql(
    UPDATE pgeist.jobs j SET blueprint = j.blueprint - 'swap' || jsonb_build_object('version', 2) || (
        SELECT jsonb_build_object(
            'swap_parents', (SELECT coalesce(jsonb_agg(l -> 'name'), '[]') FROM steps, jsonb_array_elements(step -> 'locks') l
                              WHERE l ->> 'by' = 'parent'),
            'swap_locks', (SELECT coalesce(jsonb_agg(l -> 'name'), '[]') FROM steps, jsonb_array_elements(step -> 'locks') l
                            WHERE l ->> 'by' = 'table'),
            'swap_views', (SELECT coalesce(jsonb_agg(jsonb_build_object('label', 'view', 'sql', l -> 'sql')), '[]')
                             FROM steps, jsonb_array_elements(step -> 'locks') l WHERE l ->> 'by' = 'statement'),
            'ahead', (SELECT coalesce(jsonb_agg(one), '[]') FROM steps WHERE step ->> 'when' = 'ahead'),
            'before_swap', (SELECT coalesce(jsonb_agg(one), '[]') FROM steps WHERE step ->> 'when' = 'before'),
            'instead_of_swap', '[]'::jsonb,
            'before_move', (SELECT coalesce(jsonb_agg(one), '[]') FROM steps WHERE step ->> 'when' = 'detach'),
            'after_move', (SELECT coalesce(jsonb_agg(one), '[]') FROM steps WHERE step ->> 'when' = 'attach'),
            'finish', (SELECT coalesce(jsonb_agg(one), '[]') FROM steps WHERE step ->> 'when' = 'finish'))
          FROM (SELECT) AS one_row)
      FROM (SELECT) AS nothing)sql";

/// Schema pgeist of version 3, and in it what a run that was killed before its swap has left.
class state_of_version_3 : public run_test {
protected:
    void leave_job() {
        make_table(500);
        sql().execute(
            "CREATE TABLE public.item (id int PRIMARY KEY, t int REFERENCES public.t (id)); INSERT INTO public.item "
            "SELECT "
            "g, g FROM generate_series(1, 50) g; CREATE VIEW public.few AS SELECT id, note FROM public.t WHERE id < "
            "10");
        pgeist_process running = start({"--repack", "--postpone-swap"});
        running.wait_for_phase("swap");
        running.kill_hard();
        wait_for_job_state(db().uri(), "interrupted");
        step_back();
    }

    /// What this version has added is taken away.
    void step_back() {
        std::string steps =
            "(SELECT step, jsonb_build_object('label', step -> 'label', 'sql', step -> 'sql') AS one FROM "
            "jsonb_array_elements(j.blueprint -> 'swap') AS step) AS steps";
        std::string sql_text = as_version_3;
        for (std::size_t at = sql_text.find("FROM steps"); at != std::string::npos;
             at = sql_text.find("FROM steps", at + 5)) {
            sql_text.replace(at, 10, "FROM " + steps);
        }
        sql().execute(sql_text);
        sql().execute(
            "DROP VIEW pgeist.status; ALTER TABLE pgeist.jobs DROP COLUMN kind, DROP COLUMN way_back, DROP COLUMN "
            "revert; "
            "COMMENT ON SCHEMA pgeist IS 'pgeist: state of online "
            "table changes, version 3'");
    }
};

TEST_F(state_of_version_3, is_told_of_and_gone_on_with) {
    leave_job();
    const std::string digest = table_digest(sql(), "public.t");
    EXPECT_TRUE(says(command("status"), {"interrupted", "public.t", "swap"}));
    pgeist_process running(db().uri(), {"resume", "1"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(table_digest(sql(), "public.t"), digest);
    EXPECT_EQ(sql().scalar("SELECT confrelid::regclass FROM pg_constraint WHERE conrelid = 'public.item'::regclass AND "
                           "contype = 'f' AND convalidated"),
              "t");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.few"), 9);
    EXPECT_EQ(sql().scalar("SELECT kind FROM pgeist.jobs"), "copy");
    expect_cleanup_leaves_nothing();
}

TEST_F(state_of_version_3, is_cleaned_up) {
    leave_job();
    expect_cleanup_leaves_nothing();
}

TEST_F(state_of_version_3, of_which_a_run_is_at_work_is_steered_and_not_changed) {
    make_table(500);
    pgeist_process running = start({"--repack", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    auto other = db().connect();
    other.execute("BEGIN; LOCK TABLE pgeist.jobs IN ROW SHARE MODE");  // as a transaction of that run has it for long
    sql().execute("COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes, version 3'");
    sql().execute("CREATE TABLE public.another (id int PRIMARY KEY)");
    const run_result refused = command("run", {"--table", "public.another", "--repack"});
    EXPECT_TRUE(exited(refused, 4));
    EXPECT_TRUE(says(refused, {"of an earlier version"}));
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    other.execute("ROLLBACK");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
