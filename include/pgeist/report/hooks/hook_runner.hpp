#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace pgeist::report {

/// The events that a program in the hook folder can be named after.
[[nodiscard]] const std::vector<std::string>& hook_names();

/// Runs the programs of a hook folder, one after another, on a thread of its own: a run does not wait for them, but
/// for the one that may object to the swap.
class hook_runner {
public:
    using variables = std::map<std::string, std::string>;
    /// How a program ended, for whoever waits for it.
    struct ticket {
        std::mutex mutex;
        std::optional<std::string> problem;  ///< set when it has ended; empty: it has succeeded
    };

    /// @param longest what a program may take before it is killed
    explicit hook_runner(std::string folder, std::chrono::milliseconds longest = std::chrono::seconds(60));
    /// As finish().
    ~hook_runner();
    hook_runner(const hook_runner&) = delete;
    hook_runner& operator=(const hook_runner&) = delete;

    /// Has the program of this name run, with the variables in its environment. @returns its ticket; null when the
    /// folder has no such program
    std::shared_ptr<ticket> run(const std::string& name, variables with);
    /// Waits until what was asked for has run, within bounds: all but the last (on-failure or on-done) get, together,
    /// half of what one may take, the last its whole time. When many wait, those that only tell of the course of the
    /// run (on-phase, on-throttle, on-lock-wait) are dropped.
    void finish();
    /// Ends the program of this ticket: nobody waits for its answer any more.
    void stop(const std::shared_ptr<ticket>& which) { stop_ = which.get(); }
    /// What went wrong since the last call, a line each.
    [[nodiscard]] std::vector<std::string> take_problems();

private:
    struct task {
        std::string name;
        variables with;
        std::shared_ptr<ticket> done;
    };
    void work();
    /// @returns what went wrong; empty: nothing
    [[nodiscard]] std::string run_task(const task& which);
    [[nodiscard]] bool late(const task& which);

    std::string folder_;
    std::chrono::milliseconds longest_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<task> tasks_;
    std::vector<std::string> problems_;
    bool ending_ = false;
    std::chrono::steady_clock::time_point rest_until_{};  ///< when it is ending: for all but the last
    std::atomic<ticket*> stop_ = nullptr;
    std::thread thread_;
};

/// What is wrong with a hook folder: not there, a program that cannot be run, a name that no event has. Empty: nothing.
[[nodiscard]] std::string problem_with_hooks(const std::string& folder);

}  // namespace pgeist::report
