export type QueueType = 'classic' | 'quorum';

/** The queue at both ends. */
export const QUEUE = 'up';

/** A node's settings in Erlang's own words; with a shovel where messages go on from it. */
export function advancedConfig(type: QueueType, shovel?: { from: number; to: number }): string {
  const disk = '{rabbit, [{disk_free_limit, 100000000}]}';
  return `[${shovel === undefined ? disk : `${disk},\n{rabbitmq_shovel, [{shovels, [${shovelOf(type, shovel)}]}]}`}].\n`;
}

function shovelOf(type: QueueType, { from, to }: { from: number; to: number }): string {
  const declared = `{'queue.declare', [{queue, <<"${QUEUE}">>}, durable, {arguments, [{<<"x-queue-type">>, longstr, <<"${type}">>}]}]}`;
  const end = (port: number) =>
    `{protocol, amqp091}, {uris, ["amqp://127.0.0.1:${port}"]}, {declarations, [${declared}]}`;
  return `{up, [
  {source, [${end(from)}, {queue, <<"${QUEUE}">>}, {prefetch_count, 1000}]},
  {destination, [${end(to)}, {publish_fields, [{exchange, <<"">>}, {routing_key, <<"${QUEUE}">>}]}]},
  {ack_mode, on_confirm}, {reconnect_delay, 1}]}`;
}
