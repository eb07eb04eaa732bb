// A job converts values the same way from its first row to its last, whatever becomes of the defaults of server,
// database, role and client meanwhile, and whoever goes on with it.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/server_log.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// A table whose rows are all alike but for their id, and become texts and times by what a session has set.
const std::string all_alike =
    "CREATE TABLE public.t (id int PRIMARY KEY, at timestamp, n int, shown text, day date, span interval, raw bytea, "
    "ratio float8, words text); INSERT INTO public.t SELECT i, '2024-03-04 05:06', 0, '', '2024-03-04', '1 day 2 "
    "hours', '\\x0102ff', 1 / 3.0::float8, 'the cats' FROM generate_series(1, 200) AS i";

std::vector<std::string> conversion(const std::string& command) {
    return {command,
            "--output",
            "json",
            "--table",
            "t",
            "--alter",
            "ALTER COLUMN at TYPE timestamptz",
            "--set",
            "shown = concat_ws(' ', at::timestamptz, day, span, raw, ratio, to_tsvector(words))",
            "--postpone-swap"};
}

/// What sessions of two places differ by.
const environment here{{"PGTZ", "Asia/Tokyo"},
                       {"PGDATESTYLE", "German"},
                       {"PGOPTIONS",
                        "-c intervalstyle=iso_8601 -c bytea_output=escape -c extra_float_digits=-5 -c "
                        "default_text_search_config=pg_catalog.english"}};
const environment there{{"PGTZ", "UTC"},
                        {"PGDATESTYLE", "ISO"},
                        {"PGOPTIONS",
                         "-c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1 -c "
                         "default_text_search_config=pg_catalog.simple"}};

class session_profile : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(all_alike);
        }
    }

    /// Row 1 is replayed by whoever runs now; the rest were copied.
    static void touch(sync_connection& where) { where.execute("UPDATE public.t SET n = n + 1 WHERE id = 1"); }

    static void expect_all_alike(sync_connection& where) {
        EXPECT_EQ(where.scalar("SELECT string_agg(DISTINCT concat_ws('|', at AT TIME ZONE 'UTC', shown), ' and ') FROM "
                               "public.t"),
                  where.scalar("SELECT concat_ws('|', at AT TIME ZONE 'UTC', shown) FROM public.t WHERE id = 2"));
        EXPECT_EQ(where.number("SELECT n FROM public.t WHERE id = 1"), 1);
    }

    void expect_swaps_well(pgeist_process& running) {
        EXPECT_TRUE(exited(command("swap", {"1"}), 0));
        EXPECT_TRUE(exited(running.finish(), 0));
        expect_all_alike(sql());
        EXPECT_EQ(type_of("at"), "timestamp with time zone");
    }
};

TEST_F(session_profile, is_the_jobs_also_when_resumed_from_another_place) {
    pgeist_process first(db().uri(), conversion("run"), here);
    first.wait_for_phase("swap");
    first.kill_hard();
    touch(sql());
    pgeist_process second(db().uri(), {"resume", "--output", "json", "1"}, there);
    second.wait_for_phase("swap");
    expect_swaps_well(second);
    // The place where it was begun counts, not the one where it ended.
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE at <> '2024-03-04 05:06+09'"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE shown NOT LIKE '04.03.2024% P1DT2H %cat%'"), 0);
    expect_cleanup_leaves_nothing();
}

TEST_F(session_profile, is_the_jobs_also_when_resumed_by_another_role) {
    const std::string owner = db().create_role("owner");
    const std::string other = db().create_role("other");
    sql().execute("GRANT " + owner + " TO " + other + "; GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE public.t OWNER TO " + owner +
                  "; CREATE FUNCTION public.region() RETURNS text STABLE LANGUAGE sql AS $$ SELECT "
                  "current_setting('app.region', true) $$");
    for (const auto& [role, region] : {std::pair{owner, "east"}, std::pair{other, "west"}}) {
        sql().execute("ALTER ROLE " + role + " SET TimeZone = '" + (role == owner ? "America/Lima" : "Europe/Paris") +
                      "'; ALTER ROLE " + role + " SET app.region = '" + region + "'");
    }
    std::vector<std::string> arguments = conversion("run");
    arguments.insert(arguments.end(), {"--set", "words = public.region()"});
    pgeist_process first(db().uri_as(owner), arguments);
    first.wait_for_phase("swap");
    first.kill_hard();
    touch(sql());
    pgeist_process second(db().uri_as(other), {"resume", "--output", "json", "1"});
    second.wait_for_phase("swap");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(other), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(second.finish(), 0));
    expect_all_alike(sql());
    EXPECT_EQ(sql().scalar("SELECT string_agg(DISTINCT words, ',') FROM public.t"), "east");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(other), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

// That a setting is for superusers only shows when the library is loaded that it belongs to.
TEST_F(session_profile, leaves_settings_of_superusers_as_they_are) {
    const std::string owner = db().create_role("owner");
    sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE public.t OWNER TO " + owner +
                  "; ALTER DATABASE " + db().name() +
                  " SET plpgsql.variable_conflict = 'use_column'; CREATE FUNCTION public.of_row(id int) RETURNS int "
                  "STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT t.id FROM public.t WHERE id = $1); END $$");
    server_log log(sql());
    EXPECT_TRUE(
        exited(run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--repack", "--set", "n = public.of_row(id)",
                                               "--chunk-rows", "20", "--workers", "2"}),
               0));
    EXPECT_EQ(log.since().find("permission denied to set parameter"), std::string::npos);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE n <> id"), 0);
}

// Of settings with a dot no catalog has a list.
TEST_F(session_profile, has_what_the_connections_options_set) {
    sql().execute(
        "CREATE FUNCTION public.region() RETURNS text STABLE LANGUAGE sql AS $$ SELECT concat_ws(' ', "
        "current_setting('app.region', true), current_setting('app.long_name', true)) $$");
    std::vector<std::string> arguments = conversion("run");
    arguments.insert(arguments.end(), {"--set", "words = public.region()"});
    pgeist_process first(db().uri(), arguments,
                         {{"PGOPTIONS", "-c app.region=far\\ east --app.long-name=asia -c work_mem=8MB"}});
    first.wait_for_phase("swap");
    first.kill_hard();
    touch(sql());
    pgeist_process second(db().uri(), {"resume", "--output", "json", "1"}, {{"PGOPTIONS", "-c app.region=west"}});
    second.wait_for_phase("swap");
    expect_swaps_well(second);
    EXPECT_EQ(sql().scalar("SELECT string_agg(DISTINCT words, ',') FROM public.t"), "far east asia");
}

TEST_F(session_profile, has_what_the_servers_files_set) {
    private_server server(server_major(sql()));
    sync_connection there_sql(server.address().uri());
    there_sql.execute(all_alike +
                      "; CREATE FUNCTION public.region() RETURNS text STABLE LANGUAGE sql AS $$ SELECT "
                      "current_setting('app.region', true) $$");
    const auto set = [&](const std::string& region) {
        there_sql.execute("SET app.region = ''");  // known to the session, so that ALTER SYSTEM takes it
        there_sql.execute("ALTER SYSTEM SET app.region = '" + region + "'");
        there_sql.execute("SELECT pg_reload_conf()");
        wait_for("the server to read its configuration", [&] {
            return sync_connection(server.address().uri()).scalar("SELECT current_setting('app.region', true)") ==
                   region;
        });
    };
    set("east");
    std::vector<std::string> arguments = conversion("run");
    arguments.insert(arguments.end(), {"--set", "words = public.region()"});
    pgeist_process running(server.address().uri(), arguments);
    running.wait_for_phase("swap");
    set("west");
    touch(there_sql);
    EXPECT_TRUE(exited(run_pgeist(server.address().uri(), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(there_sql.scalar("SELECT string_agg(DISTINCT words, ',') FROM public.t"), "east");
}

// What is asked there may depend on the time of day, or on a setting of the user's own.
TEST_F(session_profile, is_that_of_the_throttle_query) {
    gate copying(db(), 1);
    copying.close();
    std::vector<std::string> arguments = conversion("run");
    arguments.insert(arguments.end(),
                     {"--set", "words = " + copying.expression("id = 150", "words"), "--chunk-rows", "50",
                      "--throttle-query", "SELECT (current_setting('TimeZone') <> 'Asia/Tokyo')::int"});
    pgeist_process first(db().uri(), arguments, here);
    copying.wait_until_reached();
    first.kill_hard();
    copying.open();
    touch(sql());
    pgeist_process second(db().uri(), {"resume", "--output", "json", "1"}, there);
    second.wait_for_phase("swap");
    expect_swaps_well(second);
}

TEST_F(session_profile, is_the_jobs_also_in_sessions_that_are_opened_again) {
    pgeist_process running(db().uri(), conversion("run"));
    running.wait_for_phase("swap");
    sql().execute("ALTER DATABASE " + db().name() + " SET timezone = 'Asia/Kolkata'; ALTER DATABASE " + db().name() +
                  " SET datestyle = 'SQL, DMY'");
    sql().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
        "application_name LIKE 'pgeist%'");
    running.wait_for_event("the run to be connected again", [](const auto& event) {
        return text_of(event, "event") == "message" && text_of(event, "text").find("connected again") == 0;
    });
    touch(sql());
    expect_swaps_well(running);
}

TEST_F(session_profile, is_not_changed_when_the_server_reads_its_configuration_again) {
    private_server server(server_major(sql()));
    sync_connection there_sql(server.address().uri());
    there_sql.execute(all_alike);
    pgeist_process running(server.address().uri(), conversion("run"));
    running.wait_for_phase("swap");
    there_sql.execute("ALTER SYSTEM SET timezone = 'Asia/Tokyo'");
    there_sql.execute("ALTER SYSTEM SET datestyle = 'German'");
    there_sql.execute("SELECT pg_reload_conf()");
    wait_for("the server to read its configuration",
             [&] { return sync_connection(server.address().uri()).scalar("SHOW timezone") == "Asia/Tokyo"; });
    touch(there_sql);
    EXPECT_TRUE(exited(run_pgeist(server.address().uri(), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_all_alike(there_sql);
}

TEST_F(session_profile, of_a_job_that_an_earlier_version_began_is_that_of_who_resumes_it) {
    pgeist_process first(db().uri(), conversion("run"));
    first.wait_for_phase("swap");
    first.kill_hard();
    sql().execute("UPDATE pgeist.jobs SET blueprint = blueprint - 'profile'");
    touch(sql());
    pgeist_process second(db().uri(), {"resume", "--output", "json", "1"});
    second.wait_for_event("a warning", [](const auto& event) {
        return text_of(event, "event") == "message" &&
               text_of(event, "text").find("by an earlier pgeist") != std::string::npos;
    });
    second.wait_for_phase("swap");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs WHERE blueprint -> 'profile' @> '[{\"name\": "
                           "\"TimeZone\"}]'"),
              1);
    expect_swaps_well(second);
}

TEST_F(session_profile, is_shown_by_the_plan) {
    sql().execute("ALTER DATABASE " + db().name() + " SET app.secret = 'hush'");
    const run_result planned = run_pgeist(
        db().uri(), {"plan", "--verbose", "--table", "t", "--alter", "ALTER COLUMN at TYPE timestamptz"}, here);
    EXPECT_TRUE(exited(planned, 0));
    EXPECT_TRUE(says(planned, {"in each session of the job", "SET TimeZone TO 'Asia/Tokyo';",
                               "SET DateStyle TO 'German, DMY';", "SET bytea_output TO 'escape';", "app.secret"}));
    EXPECT_FALSE(planned.mentions("hush"));
}

TEST_F(session_profile, makes_its_own_tables_heaps) {
    sql().execute("CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler; ALTER DATABASE " + db().name() +
                  " SET default_table_access_method = other");
    pgeist_process running(db().uri(), conversion("run"));
    running.wait_for_phase("swap");
    EXPECT_EQ(sql().scalar("SELECT string_agg(DISTINCT m.amname, ',') FROM pg_class c JOIN pg_am m ON m.oid = c.relam "
                           "WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text ~ '^pgeist'"),
              "heap");
    touch(sql());
    expect_swaps_well(running);
}

}  // namespace
}  // namespace pgeist::test
