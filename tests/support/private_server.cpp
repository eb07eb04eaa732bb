#include "support/private_server.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <utility>

namespace pgeist::test {
namespace {

std::string unique_instance() {
    static int counter = 0;
    return "own-" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
}

// Small: several stand beside the servers of the tests.
constexpr const char* settings = "shared_buffers=64MB wal_receiver_timeout=10s ";

}  // namespace

private_server::private_server(int version, std::string more_settings)
    : version_(version), instance_(unique_instance()), more_settings_(std::move(more_settings)) {
    try {
        start();
    } catch (...) {
        stop();  // what a failed start has left: no destructor runs
        throw;
    }
}

private_server::private_server(const replica_of& whose)
    : version_(whose.primary.version_), instance_(unique_instance()) {
    try {
        address_ = conninfo::parse(script("start " + std::to_string(version_) + " --replica-of " +
                                          whose.primary.instance_ + " --instance " + instance_));
    } catch (...) {
        stop();
        throw;
    }
}

private_server::~private_server() { stop(); }

void private_server::stop() noexcept {
    try {
        script("stop " + std::to_string(version_) + " --mode immediate --instance " + instance_);
    } catch (const std::exception& error) {
        std::cerr << "cannot remove the test's server: " << error.what() << '\n';
    }
}

std::string private_server::script(const std::string& arguments) const {
    const std::string command =
        "PGEIST_PG_SETTINGS='" + (settings + more_settings_) + "' " + PGEIST_PG_SCRIPT + " " + arguments + " 2>&1";
    std::FILE* output = ::popen(command.c_str(), "r");
    if (output == nullptr) {
        throw std::runtime_error("cannot run " + command);
    }
    std::string text;
    std::array<char, 4096> buffer{};
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), output)) {
        text.append(buffer.data(), count);
    }
    const int status = ::pclose(output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error(command + "\n" + text);
    }
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text.substr(text.find_last_of('\n') + 1);
}

void private_server::stop(const std::string& mode) {
    script("stop " + std::to_string(version_) + " --keep --mode " + mode + " --instance " + instance_);
}

void private_server::start() {
    address_ = conninfo::parse(script("start " + std::to_string(version_) + " --instance " + instance_));
}

void private_server::promote() { script("promote " + std::to_string(version_) + " --instance " + instance_); }

int server_major(sync_connection& session) {
    return static_cast<int>(session.number("SELECT current_setting('server_version_num')::int / 10000"));
}

}  // namespace pgeist::test
