// Random faults at random moments, under writers of every kind: each round ends with every row compared with an oracle
// and the catalogs searched for what is left. A few rounds by default; PGEIST_FAULT_ROUNDS asks for more, PGEIST_SEED
// repeats some (scripts/fault_run.sh).

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/leftovers.hpp"
#include "support/private_server.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

constexpr long long rows = 6000;
constexpr int most_resumes = 12;

int rounds_wanted() {
    constexpr int a_few = 4;
    const char* given = std::getenv("PGEIST_FAULT_ROUNDS");
    return given != nullptr ? std::atoi(given) : a_few;
}

/// What can happen to a run, and how often it did, with what outcome.
class tally {
public:
    void note(const std::string& fault, const std::string& outcome) { ++counts_[fault][outcome]; }
    void print() const {
        std::cout
            << "fault: times injected (how the run went on); after each all rows were right and nothing was left\n";
        for (const auto& [fault, outcomes] : counts_) {
            int times = 0;
            std::string text;
            for (const auto& [outcome, count] : outcomes) {
                times += count;
                text += (text.empty() ? "" : ", ") + outcome + ": " + std::to_string(count);
            }
            std::cout << "  " << fault << ": " << times << " (" << text << ")\n";
        }
        std::cout << std::flush;
    }

private:
    std::map<std::string, std::map<std::string, int>> counts_;
};

class faults : public ::testing::Test {
protected:
    void SetUp() override {
        const std::optional<conninfo> shared = server_under_test();
        if (!shared) {
            GTEST_SKIP() << "PGEIST_TEST_DSN names no server";
        }
        sync_connection asked(shared->uri());
        server = std::make_unique<private_server>(server_major(asked));
    }

    /// One round: a fresh table, writers, a run that meets faults, its end, and the comparison.
    void round(std::uint64_t seed);

    void start_process(std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), {"--output", "json"});
        process = std::make_unique<pgeist_process>(proxy->through(database->address()).uri(), std::move(arguments));
    }

    void add_writers(std::uint64_t seed) {
        load = std::make_unique<workload>(*shape, seed);
        load->add({.uri = database->uri(), .isolation = "READ COMMITTED", .one_long_in = 200});
        load->add({.uri = database->uri(), .isolation = "REPEATABLE READ"});
        load->add({.uri = database->uri(), .isolation = "READ COMMITTED", .replica_role = true});
    }

    /// Stops the writers; what they met must be what writers cause each other, or the crash they have just lived
    /// through.
    void stop_writers(bool crashed) {
        const workload_report report = load->stop();
        load.reset();
        for (const std::string& failure : report.failures) {
            const bool by_crash =
                failure.starts_with("08006") || failure.starts_with("57P") || failure.starts_with(":");
            EXPECT_TRUE(crashed && by_crash) << failure;
        }
    }

    void crash(const std::string& mode, random_engine& random) {
        server->stop(mode);
        server->start();
        wait_for("the server after its crash", [&] {
            try {
                sync_connection(database->uri()).execute("SELECT 1");
                return true;
            } catch (const sql_error&) {
                return false;
            }
        });
        stop_writers(true);
        add_writers(random());
    }

    long long terminate(const std::string& which) {
        sync_connection admin = database->connect();
        return admin.number(
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE datname = "
            "current_database() AND application_name LIKE 'pgeist%' " +
            which + ") AS chosen");
    }

    /// Does one of them.
    std::string inject(random_engine& random);

    /// Lets the process end, and goes on with new ones until one says that all is done. Returns how it went on.
    std::string bring_to_its_end();

    tally counts;
    std::unique_ptr<private_server> server;
    std::unique_ptr<test_database> database;
    std::unique_ptr<workload_shape> shape;
    std::unique_ptr<workload> load;
    std::unique_ptr<tcp_proxy> proxy;
    std::unique_ptr<pgeist_process> process;
};

std::string faults::inject(random_engine& random) {
    switch (pick(random, 1, 10)) {
        case 1:
            process->kill_hard();
            return "kill -9";
        case 2:
            process->signal(SIGTERM);
            return "SIGTERM";
        case 3:
            terminate("ORDER BY random() LIMIT 1");
            return "one backend terminated";
        case 4:
            terminate("");
            return "all backends terminated";
        case 5:
            proxy->drop_all();
            return "network drops";
        case 6:
            proxy->half_close_all();
            return "network half-closes";
        case 7:
            proxy->lay({"", "COMMIT", fate::request_lost});
            return "a COMMIT lost";
        case 8:
            proxy->lay({"", "COMMIT", fate::answer_lost});
            return "the answer to a COMMIT lost";
        case 9:
            crash("immediate", random);
            return "server crash";
        default:
            crash("fast", random);
            return "server restart";
    }
}

std::string faults::bring_to_its_end() {
    std::string how = "ridden out";
    for (int resumes = 0; resumes < most_resumes; ++resumes) {
        const run_result result = process->finish(120s);
        if (result.exit_code == 0) {
            return how;
        }
        how = result.exit_code == 137 ? "resumed" : "resumed after exit " + std::to_string(result.exit_code);
        const bool resumable = result.exit_code == 6 || result.exit_code == 9 || result.exit_code == 137;
        if (!resumable) {
            ADD_FAILURE() << result.said();
            return how;
        }
        // A new process cannot end what the server still takes for another's connection; TCP would, in a while.
        proxy->drop_all();
        const std::vector<boost::json::object> jobs = job_list(database->uri());
        if (jobs.empty()) {
            how = "run again after exit " + std::to_string(result.exit_code);
            start_process({"run", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
        } else {
            wait_for_job_state(database->uri(), text_of(jobs[0], "state") == "done" ? "done" : "interrupted");
            start_process({"resume", text_of(jobs[0], "job")});
        }
    }
    ADD_FAILURE() << "the job did not come to its end";
    return how;
}

void faults::round(std::uint64_t seed) {
    SCOPED_TRACE("PGEIST_SEED=" + std::to_string(seed));
    random_engine random(seed);
    database = std::make_unique<test_database>(server->address());
    shape = std::make_unique<workload_shape>(integer_key_shape(rows));
    sync_connection(database->uri()).execute(shape->create);
    proxy = std::make_unique<tcp_proxy>(database->address());
    add_writers(random());
    load->wait_for_more(20);
    start_process({"run", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint", "--chunk-rows", "150", "--max-rate",
                   "5000", "--reconnect-max", "60s", "--workers", "2"});
    if (chance(random, 80)) {
        process->wait_for_phase("capture");  // few faults are to meet the short time before
    }
    std::vector<std::string> injected;
    for (long long left = pick(random, 1, 3); left > 0 && process->process().running(); --left) {
        // A random moment: any will do, and the seed repeats the choice, if not the moment to the microsecond.
        std::this_thread::sleep_for(std::chrono::milliseconds(pick(random, 10, 2500)));
        injected.push_back(inject(random));
        if (injected.back() == "kill -9" || injected.back() == "SIGTERM") {
            break;
        }
    }
    std::cout << "PGEIST_SEED=" << seed << ": " << joined(injected) << std::endl;
    const bool undo = !injected.empty() && injected.back() == "kill -9" && chance(random, 30);
    std::string how = "cleaned up";
    if (undo) {
        EXPECT_TRUE(exited(run_pgeist(database->uri(), {"cleanup", "--all"}), 0));
    } else {
        how = bring_to_its_end();
        load->wait_for_more(20);
    }
    stop_writers(false);
    proxy.reset();  // and with it the sessions that the server still takes for connected
    sync_connection look = database->connect();
    EXPECT_EQ(differing_rows(look, shape->twin, shape->table), std::vector<std::string>{});
    EXPECT_TRUE(exited(run_pgeist(database->uri(), {"cleanup", "--all"}), 0));
    EXPECT_EQ(objects_left_behind(look), std::vector<std::string>{});
    EXPECT_EQ(differing_rows(look, shape->twin, shape->table), std::vector<std::string>{});
    process.reset();
    for (const std::string& fault : injected) {
        counts.note(fault, how);
    }
}

TEST_F(faults, at_random_moments_lose_nothing_and_leave_nothing) {
    const std::uint64_t seed = workload_seed();
    for (int number = 0; number < rounds_wanted() && !HasFailure(); ++number) {
        round(seed + static_cast<std::uint64_t>(number));
    }
    counts.print();
}

}  // namespace
}  // namespace pgeist::test
