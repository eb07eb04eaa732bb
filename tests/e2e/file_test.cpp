#include "e2e/file_test.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <boost/json/array.hpp>

#include "support/json_lines.hpp"

namespace pgeist::test {

void file_test::SetUp() {
    run_test::SetUp();
    if (IsSkipped()) {
        return;
    }
    folder_ = (std::filesystem::temp_directory_path() / db().name()).string();
    std::filesystem::create_directories(folder_);
    sql().execute("CREATE TABLE public.done (number int)");
}

void file_test::TearDown() {
    if (!folder_.empty()) {
        std::filesystem::remove_all(folder_);
    }
    run_test::TearDown();
}

std::string file_test::write(const std::string& text, const std::string& name) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
}

run_result file_test::run_file(const std::string& text, std::vector<std::string> more) {
    more.insert(more.begin(), {"--file", write(text)});
    return command("run", std::move(more));
}

std::unique_ptr<pgeist_process> file_test::start_file(const std::string& text, std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "--output", "json", "--file", write(text)});
    return std::make_unique<pgeist_process>(db().uri(), std::move(more));
}

boost::json::object file_test::plan_of(const std::string& text, int expected) {
    const run_result planned = command("plan", {"--output", "json", "--file", write(text)});
    EXPECT_TRUE(exited(planned, expected));
    const auto plans = planned.events("plan");
    return plans.empty() ? boost::json::object() : plans.front();
}

boost::json::object file_test::file_job() {
    std::vector<boost::json::object> found;
    for (const boost::json::object& each : job_list(db().uri())) {
        if (!number_of(each, "parent")) {
            found.push_back(each);
        }
    }
    if (found.size() != 1) {
        throw std::runtime_error("there is not one job but " + std::to_string(found.size()));
    }
    return found.front();
}

std::vector<boost::json::object> file_test::copies() {
    std::vector<boost::json::object> found;
    for (const boost::json::object& each : job_list(db().uri())) {
        if (number_of(each, "parent")) {
            found.push_back(each);
        }
    }
    return found;
}

boost::json::object file_test::status_of(const std::string& job) {
    const run_result said = command("status", {job, "--output", "json"});
    EXPECT_TRUE(exited(said, 0));
    return parse_json_lines(said.out).at(0);
}

std::string file_test::step_states() {
    const boost::json::object job = status_of(text_of(file_job(), "job"));
    std::string states;
    for (const boost::json::value& each : job.at("steps").as_array()) {
        states += (states.empty() ? "" : " ") + text_of(each.as_object(), "state");
    }
    return states;
}

long long file_test::times_done(int number) {
    return sql().number("SELECT count(*) FROM public.done WHERE number = $1", {std::to_string(number)});
}

}  // namespace pgeist::test
