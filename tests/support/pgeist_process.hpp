#pragma once

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/child_process.hpp"

namespace pgeist::test {

/// The program under test: PGEIST_BIN, else the one of this build tree.
std::filesystem::path pgeist_binary();

/// How a run of the program ended and what it said.
struct run_result {
    int exit_code = -1;  ///< 128 + number when a signal ended it
    std::string out;
    std::string err;

    /// Both outputs: where a message stands is not what a test about the message asks.
    [[nodiscard]] std::string said() const { return out + err; }
    [[nodiscard]] bool mentions(const std::string& text) const { return said().find(text) != std::string::npos; }

    /// Standard output as JSON lines.
    [[nodiscard]] std::vector<boost::json::object> events() const;

    /// The events of one kind, in order.
    [[nodiscard]] std::vector<boost::json::object> events(const std::string& kind) const;
};

/// For EXPECT_TRUE: the exit code is the expected one; prints what was said when it is not.
::testing::AssertionResult exited(const run_result& result, int expected);

/// For EXPECT_TRUE: the output contains each of the texts.
::testing::AssertionResult says(const run_result& result, const std::vector<std::string>& texts);

using environment = std::map<std::string, std::string>;

/// A pgeist that is running. The first argument is the command; `-d URI` follows it.
class pgeist_process {
public:
    pgeist_process(const std::string& uri, std::vector<std::string> arguments, const environment& variables = {});

    [[nodiscard]] child_process& process() noexcept { return process_; }

    /// Waits until an event for which `wanted` holds is on standard output. Throws wait_failed, with all output, when
    /// the program ends or the deadline comes first. Only with --output json.
    void wait_for_event(const std::string& what, const std::function<bool(const boost::json::object&)>& wanted,
                        std::chrono::milliseconds deadline = std::chrono::seconds(60));

    /// wait_for_event() for the beginning of a phase.
    void wait_for_phase(const std::string& name);

    /// Sends a signal.
    void signal(int number) { process_.signal(number); }

    /// kill -9, and waits for the end.
    void kill_hard();

    /// Waits for the end. Throws wait_failed at the deadline.
    run_result finish(std::chrono::milliseconds deadline = std::chrono::seconds(90));

private:
    child_process process_;
};

/// Runs pgeist to its end.
run_result run_pgeist(const std::string& uri, std::vector<std::string> arguments, const environment& variables = {});

/// Runs it without `-d`, as for --help.
run_result run_pgeist_bare(std::vector<std::string> arguments, const environment& variables = {});

/// The jobs as `pgeist status --output json` gives them. Throws std::runtime_error when that fails.
std::vector<boost::json::object> job_list(const std::string& uri);

/// The only job there is. Throws std::runtime_error when there is none or more than one.
boost::json::object only_job(const std::string& uri);

/// Waits until the only job is in this state.
void wait_for_job_state(const std::string& uri, const std::string& state);

}  // namespace pgeist::test
