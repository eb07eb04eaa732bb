#include "support/pgeist_process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// Small tables may be changed without a copy. A run in these tests is about the copy unless it says which method it
/// wants.
std::vector<std::string> about_the_copy(std::vector<std::string> arguments) {
    const bool changes = !arguments.empty() && (arguments.front() == "run" || arguments.front() == "plan");
    const bool of_table = std::find(arguments.begin(), arguments.end(), "--table") != arguments.end();
    if (changes && of_table && std::find(arguments.begin(), arguments.end(), "--method") == arguments.end()) {
        arguments.insert(arguments.begin() + 1, {"--method", "copy"});
    }
    return arguments;
}

std::vector<std::string> with_connection(std::vector<std::string> arguments, const std::string& uri) {
    arguments.insert(arguments.begin() + 1, {"-d", uri});
    return arguments;
}

run_result result_of(child_process& process, std::chrono::milliseconds deadline) {
    const exit_status status = process.wait(deadline);
    constexpr int shell_signal_base = 128;
    return {status.code ? *status.code : shell_signal_base + status.signal.value_or(0), process.out(), process.err()};
}

}  // namespace

std::filesystem::path pgeist_binary() {
    if (const char* given = std::getenv("PGEIST_BIN"); given != nullptr && *given != '\0') {
        return std::filesystem::absolute(given);
    }
#ifdef PGEIST_DEFAULT_BIN
    return PGEIST_DEFAULT_BIN;
#else
    throw std::runtime_error("PGEIST_BIN does not say where the program is");
#endif
}

std::vector<boost::json::object> run_result::events() const { return parse_json_lines(out); }

std::vector<boost::json::object> run_result::events(const std::string& kind) const {
    std::vector<boost::json::object> chosen;
    for (boost::json::object& event : parse_json_lines(out)) {
        if (text_of(event, "event") == kind) {
            chosen.push_back(std::move(event));
        }
    }
    return chosen;
}

::testing::AssertionResult exited(const run_result& result, int expected) {
    if (result.exit_code == expected) {
        return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << "exit code " << result.exit_code << " instead of " << expected
                                         << "\nstdout:\n"
                                         << result.out << "\nstderr:\n"
                                         << result.err;
}

::testing::AssertionResult says(const run_result& result, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
        if (!result.mentions(text)) {
            return ::testing::AssertionFailure() << "nothing said of '" << text << "'\nstdout:\n"
                                                 << result.out << "\nstderr:\n"
                                                 << result.err;
        }
    }
    return ::testing::AssertionSuccess();
}

pgeist_process::pgeist_process(const std::string& uri, std::vector<std::string> arguments, const environment& variables)
    : process_({pgeist_binary(), with_connection(about_the_copy(std::move(arguments)), uri), variables, std::nullopt}) {
}

void pgeist_process::wait_for_event(const std::string& what,
                                    const std::function<bool(const boost::json::object&)>& wanted,
                                    std::chrono::milliseconds deadline) {
    const bool seen = process_.wait_for_out(
        [&](const std::string& out) {
            const std::vector<boost::json::object> events = parse_json_lines(out);
            return std::any_of(events.begin(), events.end(), wanted);
        },
        deadline);
    if (!seen) {
        throw wait_failed("no " + what + "; stdout:\n" + process_.out() + "\nstderr:\n" + process_.err());
    }
}

void pgeist_process::wait_for_phase(const std::string& name) {
    wait_for_event("phase " + name, [&](const boost::json::object& event) {
        return text_of(event, "event") == "phase" && text_of(event, "name") == name;
    });
}

void pgeist_process::kill_hard() {
    process_.signal(SIGKILL);
    process_.wait();
}

run_result pgeist_process::finish(std::chrono::milliseconds deadline) { return result_of(process_, deadline); }

run_result run_pgeist(const std::string& uri, std::vector<std::string> arguments, const environment& variables) {
    return pgeist_process(uri, std::move(arguments), variables).finish();
}

run_result run_pgeist_bare(std::vector<std::string> arguments, const environment& variables) {
    child_process process({pgeist_binary(), std::move(arguments), variables, std::nullopt});
    return result_of(process, std::chrono::seconds(60));
}

std::vector<boost::json::object> job_list(const std::string& uri) {
    const run_result result = run_pgeist(uri, {"status", "--output", "json"});
    if (result.exit_code != 0) {
        throw std::runtime_error("pgeist status: exit code " + std::to_string(result.exit_code) + ": " + result.said());
    }
    return result.events();
}

boost::json::object only_job(const std::string& uri) {
    std::vector<boost::json::object> jobs = job_list(uri);
    if (jobs.size() != 1) {
        throw std::runtime_error("pgeist status knows " + std::to_string(jobs.size()) + " jobs instead of one");
    }
    return std::move(jobs.front());
}

void wait_for_job_state(const std::string& uri, const std::string& state) {
    std::string last;
    try {
        wait_for("the job's state " + state, [&] {
            // The job is not listed before its shadow table is made.
            last = job_list(uri).empty() ? "not there" : text_of(only_job(uri), "state");
            return last == state;
        });
    } catch (const wait_failed& failure) {
        throw wait_failed(std::string(failure.what()) + ", it is " + last);
    }
}

}  // namespace pgeist::test
