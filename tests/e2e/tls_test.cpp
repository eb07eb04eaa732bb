// TLS on every connection of a run, the one that cancels included; certificates that do not fit are refused.

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/leftovers.hpp"
#include "support/private_server.hpp"
#include "support/server_log.hpp"

namespace pgeist::test {
namespace {

/// A server of its own with a certificate for 127.0.0.1 that signs itself.
class tls : public ::testing::Test {
protected:
    void SetUp() override {
        const std::optional<conninfo> shared = server_under_test();
        if (!shared) {
            GTEST_SKIP() << "PGEIST_TEST_DSN names no server";
        }
        sync_connection asked(shared->uri());
        if (asked.scalar("SELECT setting FROM pg_settings WHERE name = 'ssl_library'").empty()) {
            GTEST_SKIP() << "this server was built without TLS";
        }
        folder = std::filesystem::temp_directory_path() / ("pgeist-tls-" + std::to_string(::getpid()));
        std::filesystem::create_directory(folder);
        make_certificate("server", "IP:127.0.0.1");
        make_certificate("stranger", "IP:127.0.0.1");
        server = std::make_unique<private_server>(
            server_major(asked),
            "ssl=on log_connections=on ssl_cert_file=" + file("server.crt") + " ssl_key_file=" + file("server.key"));
        database = std::make_unique<test_database>(server->address());
        connection = std::make_unique<sync_connection>(database->connect());
        connection->execute(
            "CREATE TABLE public.t (id int PRIMARY KEY, note text); INSERT INTO public.t SELECT i, 'n' || i FROM "
            "generate_series(1, 1000) AS i");
    }

    void TearDown() override {
        connection.reset();
        database.reset();
        server.reset();
        std::filesystem::remove_all(folder);
    }

    [[nodiscard]] std::string file(const std::string& name) const { return (folder / name).string(); }

    void make_certificate(const std::string& name, const std::string& address) const {
        const std::string made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=" + name +
                                 " -addext subjectAltName=" + address + " -keyout " + file(name + ".key") + " -out " +
                                 file(name + ".crt") + " 2>/dev/null && chmod 600 " + file(name + ".key") +
                                 " && { [ \"$(id -u)\" != 0 ] || chown postgres " + file(name + ".key") + "; }";
        ASSERT_EQ(std::system(made.c_str()), 0) << made;  // NOLINT(concurrency-mt-unsafe)
    }

    [[nodiscard]] conninfo secure(const std::string& root) const {
        return database->address().with("sslmode", "verify-full").with("sslrootcert", file(root));
    }

    std::filesystem::path folder;
    std::unique_ptr<private_server> server;
    std::unique_ptr<test_database> database;
    std::unique_ptr<sync_connection> connection;
};

TEST_F(tls, is_on_every_connection_of_a_run_and_of_its_cancellation) {
    gate copying(*database, 1);
    copying.close();
    server_log log(*connection);
    const std::string uri = secure("server.crt").uri();
    pgeist_process running(uri, {"run", "--output", "json", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint",
                                 "--set", "note = " + copying.expression("id = 550", "note"), "--chunk-rows", "100"});
    copying.wait_until_reached();
    EXPECT_EQ(connection->number("SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE "
                                 "a.application_name LIKE 'pgeist%' AND NOT s.ssl"),
              0);
    // The gate stays closed: only the server's cancellation of the chunk's statement can end it in good order.
    running.signal(SIGINT);
    EXPECT_TRUE(exited(running.finish(), 6));
    copying.open();
    EXPECT_TRUE(exited(run_pgeist(uri, {"resume", text_of(only_job(uri), "job")}), 0));
    EXPECT_EQ(connection->scalar("SELECT count(*) || ' ' || count(DISTINCT note) || ' ' || sum(id) FROM public.t"),
              "1000 1000 500500");
    EXPECT_TRUE(exited(run_pgeist(uri, {"cleanup", "--all"}), 0));
    EXPECT_EQ(objects_left_behind(*connection), std::vector<std::string>{});

    std::istringstream lines(log.since());
    int connections = 0;
    bool cancelled = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("connection authorized") != std::string::npos &&
            line.find("application_name=pgeist") != std::string::npos) {
            ++connections;
            EXPECT_NE(line.find("SSL enabled"), std::string::npos) << line;
        }
        cancelled = cancelled || line.find("canceling statement due to user request") != std::string::npos;
    }
    EXPECT_GT(connections, 8);
    EXPECT_TRUE(cancelled) << "the chunk's statement was not cancelled by a connection like these";
}

TEST_F(tls, a_root_that_did_not_sign_it_is_exit_9_and_nothing_is_done) {
    const run_result result = run_pgeist(secure("stranger.crt").uri(), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"certificate verify failed"}));
    EXPECT_EQ(objects_left_behind(*connection), std::vector<std::string>{});
}

TEST_F(tls, a_root_that_is_not_there_is_exit_9) {
    const run_result result = run_pgeist(secure("nowhere.crt").uri(), {"plan", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"nowhere.crt"}));
}

TEST_F(tls, a_name_that_is_not_in_the_certificate_is_exit_9) {
    const std::string uri = secure("server.crt").with("host", "localhost").with("hostaddr", "127.0.0.1").uri();
    const run_result result = run_pgeist(uri, {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"does not match host name"}));
}

}  // namespace
}  // namespace pgeist::test
