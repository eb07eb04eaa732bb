// The real pglogical, where it is installed: its apply workers write into the table during the run, and go on after it.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr int packaged_for = 15;  // Debian's

/// Two databases of a server of the test's own; table t of `provider` is replicated into that of `subscriber`.
class pglogical : public run_test {
protected:
    /// False where pglogical is not installed for this server's version.
    bool prepare() {
        if (sql().server_major() != packaged_for) {
            return false;
        }
        if (sql().number("SELECT count(*) FROM pg_available_extensions WHERE name = 'pglogical'") == 0) {
            if (server_is_required()) {
                ADD_FAILURE() << "pglogical is not installed: scripts/setup.sh installs it";
            }
            return false;
        }
        std::string settings = "shared_preload_libraries=pglogical";
        if (sql().number("SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'") == 1) {
            settings += " output_plugin_libraries=pgoutput,pglogical_output";  // minor versions from 2026 on
        }
        server_ = std::make_unique<private_server>(packaged_for, settings);
        for (const char* name : {"provider", "subscriber"}) {
            sync_connection(server_->address().uri()).execute("CREATE DATABASE " + std::string(name));
            sync_connection there = at(name);
            there.execute(
                "CREATE EXTENSION pglogical; CREATE TABLE public.t (id int PRIMARY KEY, note text, n int NOT NULL)");
            there.query("SELECT pglogical.create_node(node_name := $1, dsn := $2)", {name, uri(name)});
        }
        provider_ = std::make_unique<sync_connection>(uri("provider"));
        provider_->execute(
            "INSERT INTO public.t SELECT i, 'note ' || i, 0 FROM generate_series(1, 3000) AS i;"
            "SELECT pglogical.replication_set_add_table('default', 'public.t')");
        at("subscriber").query("SELECT pglogical.create_subscription('feed', $1)", {uri("provider")});
        at("subscriber").execute("SELECT pglogical.wait_for_subscription_sync_complete('feed')");
        return true;
    }

    std::string uri(const std::string& database) { return server_->address().with("dbname", database).uri(); }
    sync_connection at(const std::string& database) { return sync_connection(uri(database)); }
    sync_connection& provider() { return *provider_; }

    /// Returns when the subscriber has it.
    void write() {
        provider().execute("UPDATE public.t SET n = n + 1, note = note || '+' WHERE id % 3 = 0");
        provider().execute("DELETE FROM public.t WHERE id % 7 = 0");
        provider().execute("UPDATE public.t SET id = -id WHERE id % 11 = 0");
        provider().execute(
            "INSERT INTO public.t SELECT m.last + i, 'late', 0 FROM generate_series(1, 500) AS i, (SELECT "
            "max(id) AS last FROM public.t) AS m");
        provider().execute("SELECT pglogical.wait_slot_confirm_lsn(NULL, NULL)");
    }

    void expect_same() {
        const std::string digest =
            "SELECT count(*) || ' ' || md5(string_agg(concat(id, ' ', n, note), ',' ORDER BY id)) FROM "
            "public.t";
        EXPECT_EQ(at("subscriber").scalar(digest), provider().scalar(digest));
    }

private:
    std::unique_ptr<private_server> server_;
    std::unique_ptr<sync_connection> provider_;
};

TEST_F(pglogical, whose_workers_write_into_the_table_loses_nothing) {
    if (!prepare()) {
        return;
    }
    pgeist_process running(uri("subscriber"), {"run", "--output", "json", "--table", "t", "--alter",
                                               "ADD COLUMN extra int DEFAULT 7 NOT NULL", "--chunk-rows", "100",
                                               "--max-rate", "2000", "--postpone-swap"});
    running.wait_for_phase("copy");
    EXPECT_TRUE(exited(run_pgeist(uri("subscriber"), {"pause", "1"}), 0));
    write();
    EXPECT_EQ(text_of(only_job(uri("subscriber")), "phase"), "copy") << "the copy was to be under way";
    EXPECT_TRUE(exited(run_pgeist(uri("subscriber"), {"continue", "1"}), 0));
    wait_for_job_state(uri("subscriber"), "waiting_for_swap");
    EXPECT_EQ(at("subscriber")
                  .scalar("SELECT bool_and(tgtype & 1 = 1) FROM pg_trigger WHERE tgrelid = 'public.t'::regclass "
                          "AND tgname LIKE 'pgeist\\_%' AND tgname NOT LIKE '%truncate'"),
              "t");
    write();
    EXPECT_TRUE(exited(run_pgeist(uri("subscriber"), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_same();
    write();
    expect_same();
    EXPECT_EQ(at("subscriber").scalar("SELECT status FROM pglogical.show_subscription_status('feed')"), "replicating");
    EXPECT_EQ(at("subscriber").number("SELECT count(*) FROM public.t WHERE extra IS DISTINCT FROM 7"), 0);
}

TEST_F(pglogical, that_sends_the_tables_rows_is_refused) {
    if (!prepare()) {
        return;
    }
    for (const char* name : {"plan", "run"}) {
        const run_result result = run_pgeist(uri("provider"), {name, "--table", "t", "--repack"});
        EXPECT_TRUE(exited(result, 3));
        EXPECT_TRUE(
            says(result, {"public.t", "replication set \"default\" of pglogical", "replication_set_remove_table"}));
    }
    provider().execute("SELECT pglogical.replication_set_remove_table('default', 'public.t')");
    EXPECT_TRUE(exited(run_pgeist(uri("provider"), {"run", "--table", "t", "--repack"}), 0));
}

}  // namespace
}  // namespace pgeist::test
