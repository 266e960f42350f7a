import { Metrics } from '@backhaul/runtime';
import { expect } from 'chai';

describe('metrics', () => {
  it('names figures after their role and lists them', async () => {
    const metrics = new Metrics('mlm');
    metrics.counter('a_total', 'a').inc();
    metrics.gauge('b', 'b', () => 7);
    metrics.histogram('c_seconds', 'c', [1, 2], ['hop']).observe(1.5, { hop: 'x' });
    metrics.labelledGauge('d', 'd', ['lane'], () => [{ labels: { lane: '2' }, value: 3 }]);
    expect(metrics.names).to.deep.equal([
      'backhaul_mlm_a_total',
      'backhaul_mlm_b',
      'backhaul_mlm_c_seconds',
      'backhaul_mlm_d',
    ]);
    const text = await metrics.text();
    for (const line of [
      'backhaul_mlm_a_total 1',
      'backhaul_mlm_b 7',
      'backhaul_mlm_c_seconds_bucket{le="2",hop="x"} 1',
      'backhaul_mlm_d{lane="2"} 3',
    ]) {
      expect(text).to.contain(line);
    }
  });

  it('gives the same counter for the same name, and the newest reader of a gauge', async () => {
    const metrics = new Metrics('x');
    metrics.counter('n_total', 'n').inc();
    metrics.counter('n_total', 'n').inc();
    metrics.gauge('g', 'g', () => 1);
    metrics.gauge('g', 'g', () => 2);
    expect(await metrics.text())
      .to.contain('backhaul_x_n_total 2')
      .and.contain('backhaul_x_g 2');
  });

  it('forgets labels of a gauge that are gone', async () => {
    const metrics = new Metrics('x');
    let lanes = ['2', '4'];
    metrics.labelledGauge('d', 'd', ['lane'], () => lanes.map((lane) => ({ labels: { lane }, value: 1 })));
    await metrics.text();
    lanes = ['4'];
    expect(await metrics.text()).not.to.contain('lane="2"');
  });

  it('keeps roles of one process apart, and process figures once', async () => {
    const [a, b] = [new Metrics('a'), new Metrics('b')];
    a.counter('n_total', 'n').inc();
    expect(await b.text()).not.to.contain('backhaul_a_');
    expect((await a.text()).match(/^# TYPE process_start_time_seconds /gm)).to.have.length(1);
  });
});
