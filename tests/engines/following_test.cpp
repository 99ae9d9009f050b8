// Who waits while the database moves, and its old server is ended.

#include "servers.hpp"

#include <taskstore/testing/proxy.hpp>
#include <taskstore/work/following_store.hpp>

#include <thread>

namespace taskstore::store {
namespace {

using work::FollowingStore;
using work::TasksAt;

Result<TasksAt> tasks_at(Device& device, const std::string& place) {
    const std::shared_ptr<Databases> databases = device.databases();
    TASKSTORE_LET(sql::Database* const database, databases->open(DatabaseName::tasks));
    return TasksAt{.store = tasks::make_task_store(*database, device.clock, device.random,
                                                   {.owner = databases}),
                   .database = database,
                   .place = place};
}

/// Of PostgreSQL those who are in a wait are told; else they would look by themselves after up to
/// 30 s only. Of libSQL they look by themselves ever again.
void wait_until_told(sql::Waiter& waiter, sql::Engine engine) {
    if (engine == sql::Engine::libsql) {
        EXPECT_TRUE(must(waiter.wait(0)));
        return;
    }
    while (!must(waiter.wait(1))) std::this_thread::yield();
}

// Nothing of the seal is heard through what lies between: only the end of the connection is.
TEST(Following, WhoWaitsOnAServerThatIsEndedAfterTheMoveGoesOverAtOnce) {
    for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql}) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.pool.retry_ms_max = 500;
        const std::string direct = servers->fresh(engine);
        const auto proxy = must(Proxy::start(servers->port(engine)));
        device.place = through(*proxy, direct, servers->port(engine));
        FollowingStore store(device.clock, must(tasks_at(device, device.place)),
                             {.place = [&]() -> Result<std::string> { return device.place; },
                              .open = [&] { return tasks_at(device, device.place); }},
                             {.ms = 60'000});
        const auto made = store.create_task({.title = "waited for"});
        ASSERT_TRUE(made) << made.error().message;
        const auto waiter = must(store.waiter());
        proxy->hold(Proxy::to_client, true);
        device.place = direct;
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(moved) << moved.error().message;
        device.place = "sqlite:" + (device.folder / "new.db");
        proxy->refuse(true);
        proxy->cut_all();
        wait_until_told(*waiter, engine);
        const auto found = store.get_task(made->value.id);
        ASSERT_TRUE(found && *found) << (found ? "gone" : found.error().message);
        EXPECT_EQ(store.at()->place, device.place);
        EXPECT_TRUE(must(waiter->wait(0))) << "from here on in the new place";
        OpenTasks others(device);
        ASSERT_TRUE(others.store->cancel_task(made->value.id, "p", ""));
        while (tasks::is_open(**store.get_task(made->value.id))) EXPECT_TRUE(must(waiter->wait(0)));
    }
}

}  // namespace
}  // namespace taskstore::store
