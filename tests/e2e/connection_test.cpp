// Exit 9: the server cannot be reached, refuses, or goes away.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/fake_server.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/socket.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

class connection : public run_test {
protected:
    /// Makes an end after a lost connection come soon, where the program knows the option.
    std::vector<std::string> soon() {
        const run_result help = run_pgeist_bare({"run", "--help"});
        if (help.mentions("--reconnect-max")) {
            return {"--reconnect-max", "1s"};
        }
        return {};
    }
};

TEST_F(connection, a_host_where_nobody_listens_is_exit_9) {
    const std::string address =
        db().address().with("host", "127.0.0.1").with("port", std::to_string(closed_port())).uri();
    const run_result result = run_pgeist(address, {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"127.0.0.1"}));
}

TEST_F(connection, every_command_tells_a_dead_server_by_exit_9) {
    const std::string address =
        db().address().with("host", "127.0.0.1").with("port", std::to_string(closed_port())).uri();
    EXPECT_TRUE(exited(run_pgeist(address, {"plan", "--table", "t", "--repack"}), 9));
    EXPECT_TRUE(exited(run_pgeist(address, {"status"}), 9));
    EXPECT_TRUE(exited(run_pgeist(address, {"cleanup", "--all"}), 9));
}

TEST_F(connection, a_wrong_password_is_exit_9_and_the_password_is_not_printed) {
    const refusing_server server;
    const run_result result = run_pgeist(server.uri("s3cret-word"), {"run", "--table", "t", "--repack", "--verbose"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"password authentication failed"}));
    EXPECT_FALSE(result.mentions("s3cret-word")) << result.said();
}

TEST_F(connection, a_database_that_does_not_exist_is_exit_9) {
    const run_result result =
        run_pgeist(db().address().with("dbname", "no_such_database").uri(), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"no_such_database"}));
}

TEST_F(connection, the_address_may_come_from_the_environment) {
    make_table(10);
    const conninfo address = db().address();
    const environment variables{{"PGHOST", address.get("host")},
                                {"PGPORT", address.get("port")},
                                {"PGUSER", address.get("user")},
                                {"PGDATABASE", db().name()}};
    EXPECT_TRUE(exited(run_pgeist_bare({"plan", "--table", "t", "--repack"}, variables), 0));
}

TEST_F(connection, the_address_may_be_given_in_parts_as_to_psql) {
    make_table(10);
    const conninfo address = db().address();
    EXPECT_TRUE(exited(run_pgeist_bare({"plan", "-h", address.get("host"), "-p", address.get("port"), "-U",
                                        address.get("user"), "-d", db().name(), "--table", "t", "--repack"}),
                       0));
}

TEST_F(connection, a_server_lost_in_the_copy_is_exit_9_and_the_job_can_be_resumed) {
    make_table(1000);
    tcp_proxy proxy(db().address());
    gate copying(db(), 1);
    copying.close();
    std::vector<std::string> arguments{"run",
                                       "--table",
                                       "t",
                                       "--alter",
                                       "ALTER COLUMN id TYPE bigint",
                                       "--chunk-rows",
                                       "100",
                                       "--set",
                                       "note = " + copying.expression("id = 500", "note")};
    for (const std::string& argument : soon()) {
        arguments.push_back(argument);
    }
    pgeist_process running(proxy.through(db().address()).uri(), arguments);
    copying.wait_until_reached();
    proxy.cut();
    EXPECT_TRUE(exited(running.finish(), 9));
    copying.open();

    wait_for_job_state(db().uri(), "interrupted");
    const boost::json::object job = only_job(db().uri());
    EXPECT_TRUE(is_true(job, "resumable"));
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
